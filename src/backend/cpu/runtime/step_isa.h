// SPDX-License-Identifier: Apache-2.0
// The instruction set that a step was compiled for: packed weights are made for one.
#pragma once

#include "backend/cpu/kernels/isa.h"
#include "runtime/step_kernel.h"

namespace planish::cpu {

// Throws kInvalidPlan if the plan's name for it is none.
Isa step_isa(const StepInfo& info);

}  // namespace planish::cpu
