// SPDX-License-Identifier: Apache-2.0
// The passes that make a canonical graph fit for a GPU.
#pragma once

#include <string>
#include <vector>

#include "base/options.h"
#include "ir/graph.h"
#include "passes/pass.h"

namespace planish::cuda {

// Layouts, then the precision that `options` ask for, then fusion.
void optimize(ir::Graph& graph, const Options& options, passes::PassContext& context,
              const passes::PipelineOptions& pipeline);
std::vector<std::string> pass_names();

}  // namespace planish::cuda
