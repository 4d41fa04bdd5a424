// SPDX-License-Identifier: Apache-2.0
// What a network is fed: files, numbers, pictures, and random data for the rest.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "picture.h"
#include "planish/planish.h"

namespace planish::cli {

using Values = std::map<std::string, Value>;

class InputFlags {
 public:
  void add(CLI::App& verb);
  // Shapes of --shapes of the build: they are the default of the run's where a plan is run.
  Values make(const Engine& engine, const std::vector<std::string>& build_shapes = {}) const;
  // One set for each entry of `--shape NAME=A,B,C`; one where none has several.
  std::vector<Values> make_all(const Engine& engine,
                               const std::vector<std::string>& build_shapes = {}) const;

 private:
  std::vector<std::string> files_, shapes_;
  uint64_t seed_ = 0;
  PictureFlags picture_;
};

// Writes the outputs: a folder of .npy files, or one .npz. Returns the files by output.
std::map<std::string, std::string> write_outputs(
    const std::vector<std::pair<std::string, Value>>& outputs, const std::string& path);

// "1x3x224x224" as dims, "" as a scalar. Throws kInvalidArgument.
std::vector<int64_t> parse_shape(const std::string& text);

}  // namespace planish::cli
