// SPDX-License-Identifier: Apache-2.0
// Tables of a file back into a plan.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "plan/plan.h"

namespace planish::plan {

// `weights`: the section of weights, into which tensors of the plan will point. Believes nothing:
// offsets, counts, indices, types, dims and the place of every tensor are checked, and what
// decoding allocates is bounded by the bytes of the tables. Plan::sections gets names only. Throws
// kInvalidPlan; verify() is still to be called.
Plan decode(std::span<const std::byte> tables, const OwnedBytes& weights);

}  // namespace planish::plan
