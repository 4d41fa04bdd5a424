// SPDX-License-Identifier: Apache-2.0
// What the verbs of the command share.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "planish/planish.h"

namespace planish::cli {

using Json = nlohmann::ordered_json;

// Adds one subcommand to the application; the callback returns through `exit_code`.
void add_build(CLI::App& app, int& exit_code);
void add_run(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);
void add_verify(CLI::App& app, int& exit_code);
void add_inspect(CLI::App& app, int& exit_code);
void add_doctor(CLI::App& app, int& exit_code);

// Exit codes: 0 fine, 1 results differ, 2 wrong usage, then by kind of error
// (docs/command-line.md).
int exit_code_of(ErrorCode code);
// Prints the error as a person reads it, or as JSON.
void print_error(const Error& error, bool json);
void print_json(const Json& json);

// The options of the table that apply to `scope` as flags, and --shapes.
class OptionFlags {
 public:
  void add(CLI::App& verb, const std::string& scope, bool with_shapes);
  // Throws Error. Shapes are those of a build; to load a plan, leave them out.
  std::unique_ptr<Options> make(bool with_shapes = true) const;
  const std::vector<std::string>& shapes() const { return shapes_; }

 private:
  std::map<std::string, std::string> values_;
  std::map<std::string, const CLI::Option*> switches_;
  std::vector<std::string> shapes_;
};

// How a build tells how far it is. On a terminal, unless quiet: a bar on the standard error. Ctrl-C
// cancels the build.
class BuildProgress {
 public:
  explicit BuildProgress(bool is_quiet);
  void attach(Options& options);
  // Takes the bar away.
  void finish();
  ~BuildProgress() { finish(); }
  BuildProgress(const BuildProgress&) = delete;
  BuildProgress& operator=(const BuildProgress&) = delete;

 private:
  bool is_drawn_;
  bool is_dirty_ = false;
};

// An engine from a plan, or built from a model if the file is none.
Engine open_engine(const std::string& path, const OptionFlags& flags, bool is_quiet);
bool is_plan(const std::string& path);
// The shapes of `flags` that say how a plan is to be run: none for a model, whose profiles they
// are. Throws if they are ranges.
std::vector<std::string> run_shapes(const std::string& path, const OptionFlags& flags);

// "x=x.npy" as name and rest. Names may hold '=': the last one separates.
std::pair<std::string, std::string> split_assignment(const std::string& text, const char* what);

// What the engine tells of itself without making its kernels ready.
Json summary_of(const Engine& engine);

std::string bytes_text(double bytes);
// 0.0123 s as "12.3 ms".
std::string seconds_text(double seconds);
// Columns of the terminal, 80 if there is none.
size_t terminal_columns();
// At most `columns` characters; what is too long loses its middle. Control characters become '?'.
std::string fitted(const std::string& text, size_t columns);
std::string padded(const std::string& text, size_t columns);
// The op of a step as a person knows it: "planish.ConvNhwc" is "Conv"; of a fused node, by its
// kernel, what it is fused to: "conv + tail", with the tail's activation if there is one.
std::string step_title(std::string op, const std::string& kernel,
                       const std::string& activation = "");
std::string shell_quoted(const std::string& text);
// The interpreter beside this command, where pip put both; else the one of PATH.
std::string usual_python();
// A label in `column` columns, and the rest of the line wrapped beside it.
void print_line(const std::string& label, const std::string& text, size_t column = 10);

}  // namespace planish::cli
