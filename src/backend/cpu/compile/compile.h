// SPDX-License-Identifier: Apache-2.0
// The CPU backend's half of a build: a canonical graph becomes a plan.
#pragma once

#include "backend/cpu/compile/tuning.h"
#include "base/options.h"
#include "ir/graph.h"
#include "passes/pass.h"
#include "plan/plan.h"

namespace planish::cpu {

// Optimises `graph` for the instruction set that the options allow and fills programs, constants,
// symbols, ports, target and report of `plan`. Tactics are tuned for `shapes`. Throws what passes
// and the timing cache throw.
void compile(ir::Graph& graph, const Options& options, passes::PassContext& context,
             const passes::PipelineOptions& pipeline, const UsualShapes& shapes, plan::Plan& plan);

// The instruction set that `options.isa` means on this machine. Throws kInvalidArgument if the
// machine does not have it.
std::string target_isa(const Options& options);

}  // namespace planish::cpu
