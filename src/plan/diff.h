// SPDX-License-Identifier: Apache-2.0
// In what two plans differ.
#pragma once

#include <string>
#include <vector>

#include "plan/plan.h"

namespace planish::plan {

// One difference a line, in a fixed order; empty if the plans are the same in everything that a
// file keeps. Steps are matched by their node's name:
//
//   target isa: avx2 -> avx512
//   program "main": 56 steps -> 54
//   - step Relu "relu_3" (cpu.pointwise)
//   ~ step Conv "conv_1": kernel: cpu.conv -> ref
//   ~ step Conv "conv_1": output 0: "y" float32[n, 8] planned -> "y" float32[n, 16] planned
//   program "main": output 0: "y" float32[n, 16] planned -> "z" float32[n, 16] planned
//   constants: 120, 44.1 MiB -> 118, 44.0 MiB
//
// Constants are compared by content: those of matched steps, and all where nothing else differs.
// Where no line tells plans apart whose files differ, one says so.
std::vector<std::string> diff(const Plan& a, const Plan& b);

}  // namespace planish::plan
