// SPDX-License-Identifier: Apache-2.0
// Turns the source of a kernel instance into machine code for one target.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/cuda/runtime/code_archive.h"
#include "backend/cuda/runtime/target.h"

namespace planish::cuda {

class KernelCompiler {
 public:
  virtual ~KernelCompiler() = default;
  // Part of every cache key: "nvrtc 13.0".
  virtual std::string version() const = 0;
  // The options that it compiles with: part of every cache key too.
  virtual std::string flags() const { return {}; }
  // Least driver that runs what it makes, as Driver::version().
  virtual int least_driver() const = 0;
  virtual bool knows(const Target& target) const = 0;
  // Throws kInternal with the compiler's log. Any thread may call it.
  virtual Code compile(const std::string& source, const Target& target) const = 0;
};

// The templates and their headers, by the name under which a source includes them.
const std::vector<std::pair<std::string_view, std::string_view>>& kernel_files();
// Of all of them: part of every key.
const std::string& kernel_files_hash();

}  // namespace planish::cuda
