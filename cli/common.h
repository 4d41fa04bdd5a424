// SPDX-License-Identifier: Apache-2.0
// What the verbs of the command share.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "planish/planish.h"

namespace planish::cli {

// Adds one subcommand to the application; the callback returns through `exit_code`.
void add_build(CLI::App& app, int& exit_code);
void add_run(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);
void add_verify(CLI::App& app, int& exit_code);
void add_inspect(CLI::App& app, int& exit_code);
void add_doctor(CLI::App& app, int& exit_code);

// Exit codes: 0 fine, 1 results differ, 2 wrong usage, then by kind of error.
int exit_code_of(ErrorCode code);
// Prints the error as a person reads it, or as JSON.
void print_error(const Error& error, bool json);

// The options of the table that apply to `scope` as flags, and --shapes.
class OptionFlags {
 public:
  void add(CLI::App& verb, const std::string& scope, bool with_shapes);
  // Throws Error.
  std::unique_ptr<Options> make() const;
  // The flags as they were given, to make the same plan again.
  std::string text() const;

 private:
  std::map<std::string, std::string> values_;
  std::vector<std::string> shapes_;
};

// An engine from a plan, or built from a model if the file is none.
Engine open_engine(const std::string& path, const OptionFlags& flags);
bool is_plan(const std::string& path);

// "x=x.npy" as name and rest. Names may hold '=': the last one separates.
std::pair<std::string, std::string> split_assignment(const std::string& text, const char* what);

// Inputs of the engine: files by name (.npy), everything else random. Symbolic dims take their
// value from `dims` ("batch=4" or by shapes "x=1x3x224x224"), else 1.
std::map<std::string, Value> make_inputs(const Engine& engine,
                                         const std::vector<std::string>& files,
                                         const std::vector<std::string>& shapes, uint64_t seed);

const char* dtype_name(int number);
std::string dims_text(const std::vector<int64_t>& dims);
std::string bytes_text(double bytes);

// .npy files, version 1.0: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
Value read_npy(const std::string& path);
void write_npy(const std::string& path, const Value& value);

}  // namespace planish::cli
