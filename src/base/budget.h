// SPDX-License-Identifier: Apache-2.0
// What one run may spend where the shapes at build time could not bound it.
#pragma once

#include <cstdint>
#include <string>

#include "base/str.h"
#include "planish/error.h"

namespace planish {

struct RunLimits {
  int64_t loop_iterations = int64_t{1} << 22;  // of all Loops and Scans of one run
  int64_t value_bytes = int64_t{1} << 30;      // of one value whose size comes from data
  int64_t scalar_work = int64_t{1} << 34;      // work that data asks for beyond the output's size
};

// Counts within one run of one context; not shared between threads. Each method throws
// kBudgetExceeded, naming the node and the option that lifts the limit.
class RunBudget {
 public:
  explicit RunBudget(RunLimits limits = {}) : limits_(limits) {}
  const RunLimits& limits() const { return limits_; }
  void reset() {
    iterations_ = work_ = 0;
    draws_ = 0;
  }
  // Number of the next random draw of this run: it tells apart the draws of one node in a loop, and
  // makes every run draw the same.
  uint64_t next_draw() { return draws_++; }

  void spend_iterations(int64_t n, const std::string& node) {
    if (__builtin_add_overflow(iterations_, n, &iterations_) ||
        iterations_ > limits_.loop_iterations)
      fail("loop iterations", "max_loop_iterations", limits_.loop_iterations, node);
  }
  void spend_work(int64_t n, const std::string& node) {
    if (n < 0 || __builtin_add_overflow(work_, n, &work_) || work_ > limits_.scalar_work)
      fail("scalar operations", "max_scalar_work", limits_.scalar_work, node);
  }
  void check_value_bytes(int64_t bytes, const std::string& node) const {
    if (bytes < 0 || bytes > limits_.value_bytes)
      fail("bytes of one value whose size comes from data", "max_value_bytes", limits_.value_bytes,
           node);
  }

 private:
  [[noreturn]] static void fail(const char* what, const char* option, int64_t limit,
                                const std::string& node) {
    throw Error(ErrorCode::kBudgetExceeded,
                concat("node \"", node, "\" needs more than ", limit, " ", what), node,
                concat("raise ", option, " if this is meant"));
  }
  RunLimits limits_;
  int64_t iterations_ = 0;
  int64_t work_ = 0;
  uint64_t draws_ = 0;
};

}  // namespace planish
