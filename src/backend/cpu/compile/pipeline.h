// SPDX-License-Identifier: Apache-2.0
// A canonical graph becomes one that the CPU's kernels compute well.
#pragma once

#include "passes/pass.h"

namespace planish::cpu {

// Channels-last convolutions, transposes moved out of the way, pointwise trees fused with their
// roots. The result is still an ordinary graph: the reference can evaluate it.
void optimize(ir::Graph& graph, passes::PassContext& context,
              const passes::PipelineOptions& options);

std::vector<std::string> pass_names();

}  // namespace planish::cpu
