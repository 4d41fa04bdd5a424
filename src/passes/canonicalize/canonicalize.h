// SPDX-License-Identifier: Apache-2.0
// The passes that bring an imported graph into canonical form, each in a file of its own. The order
// stands in passes/pipelines.cc.
#pragma once

#include "passes/pass.h"

namespace planish::passes {

// A pure node whose inputs are all constants becomes its result, within the context's budgets; a
// large constant that folding would make from a much smaller one is left to run time.
bool fold_constants(ir::Graph& graph, PassContext& context);
// If with a constant condition becomes the branch; Loop that runs a known number of times, few
// enough, becomes its body as often.
bool fold_control_flow(ir::Graph& graph, PassContext& context);
// Equal constants, and pure nodes with equal op, inputs and attributes, become one.
bool merge_common_nodes(ir::Graph& graph, PassContext& context);
// Integers that depend on dimensions alone become constants or one planish.Dims node.
bool resolve_contents(ir::Graph& graph, PassContext& context);
// Reshape, Squeeze, Unsqueeze and Flatten become Reshape with a constant shape wherever one says
// it.
bool canonicalize_reshapes(ir::Graph& graph, PassContext& context);

}  // namespace planish::passes
