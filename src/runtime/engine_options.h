// SPDX-License-Identifier: Apache-2.0
// How an engine runs; says nothing of what it computes.
#pragma once

#include <memory>
#include <string>

#include "base/budget.h"
#include "base/options.h"

namespace planish {

class ThreadPool;

struct EngineOptions {
  int threads = 0;              // that compute one run; 0: one a core
  std::string isa = "auto";     // newest instruction set that kernels may use
  std::string device = "auto";  // "cuda:N" picks one of several
  RunLimits limits;
  bool poison = false;  // fill memory with NaNs before it is written (tests)
  // Engines that run in turn may share threads; null: the engine makes its own, `threads` of them.
  std::shared_ptr<ThreadPool> pool;

  static EngineOptions from(const Options& options) {
    return {.threads = static_cast<int>(options.threads),
            .isa = options.isa,
            .device = options.device,
            .limits = options.run_limits()};
  }
};

}  // namespace planish
