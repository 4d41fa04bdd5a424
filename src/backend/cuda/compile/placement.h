// SPDX-License-Identifier: Apache-2.0
// Which memory each value of a plan is in, and the copies between the two.
#pragma once

#include <string>
#include <vector>

#include "plan/plan.h"

namespace planish::cuda {

struct PlacementReport {
  size_t device_steps = 0;
  size_t copies = 0;
  std::vector<std::string> host_steps;  // "Op node": what the host computes
};

// The operands of the steps "cuda.launch" go to device memory; the host's steps stay where they
// are. A value that both need is copied once in each direction.
PlacementReport place_values(plan::Plan& plan);

}  // namespace planish::cuda
