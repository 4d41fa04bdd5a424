// SPDX-License-Identifier: Apache-2.0
// The CUDA backend's half of a build: a canonical graph becomes a plan.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/cuda/compile/kernel_compiler.h"
#include "backend/ref/compile/isolate.h"
#include "base/options.h"
#include "ir/graph.h"
#include "passes/pass.h"
#include "plan/plan.h"

namespace planish::cuda {

// Optimises `graph` for the targets that the options name (none: the device that they name) and
// fills programs, constants, symbols, ports, target, sections and report of `plan`. `compiler` may
// be null: NVRTC is opened. Throws what passes throw, and kDeviceError if there is neither a target
// nor a device, or no NVRTC.
void compile(ir::Graph& graph, const Options& options, passes::PassContext& context,
             const passes::PipelineOptions& pipeline, const ref::UsualShapes& shapes,
             std::shared_ptr<const KernelCompiler> compiler, plan::Plan& plan);

// What option `target` names. Throws kInvalidArgument.
std::vector<Target> parse_targets(const std::string& text);

// Whether device=auto may take the GPU: there is one that Planish knows, and NVRTC.
bool is_usable(const Options& options);
// What is missing for it, "" if nothing.
std::string why_unusable(const Options& options);

}  // namespace planish::cuda
