// SPDX-License-Identifier: Apache-2.0
// A plan as tables and bulk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "plan/plan.h"

namespace planish::plan {

struct EncodedPlan {
  std::vector<std::byte> tables;
  // Pieces of the section of weights, in order; each starts at the next multiple of 64.
  std::vector<std::span<const std::byte>> weights;
  uint64_t weight_bytes = 0;  // of the section
};

// The pieces point into the plan. Throws kUnsupported if the tables are too large.
EncodedPlan encode(const Plan& plan);

}  // namespace planish::plan
