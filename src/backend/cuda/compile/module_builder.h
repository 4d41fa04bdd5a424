// SPDX-License-Identifier: Apache-2.0
// Machine code of all kernels that the lowerings chose, as sections of the plan.
#pragma once

#include "backend/cuda/compile/kernel_compiler.h"
#include "backend/cuda/compile/lowering.h"
#include "base/options.h"
#include "passes/pass.h"
#include "plan/plan.h"

namespace planish::cuda {

// Compiles over the options' threads what the cache does not have. Throws kInternal with the log of
// a kernel that does not compile.
void build_modules(const Lowering& lowering, const KernelCompiler& compiler, const Options& options,
                   const passes::PassContext& context, plan::Plan& plan);

}  // namespace planish::cuda
