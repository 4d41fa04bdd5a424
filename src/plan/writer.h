// SPDX-License-Identifier: Apache-2.0
// Plans as bytes and files. The same plan always gives the same bytes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace planish::plan {

// Throws kInvalidPlan if the plan is not valid, or if what it mapped from a file is damaged.
std::vector<std::byte> write_plan(const Plan& plan);
// A killed or failing writer leaves what was at `path`. Throws kFileError.
void save_plan(const Plan& plan, const std::string& path);

}  // namespace planish::plan
