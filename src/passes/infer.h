// SPDX-License-Identifier: Apache-2.0
// Types and symbolic contents of every value, by the ops' shape rules.
#pragma once

#include "ir/graph.h"

namespace planish::passes {

enum class Known : uint8_t {
  kIgnore,  // what node outputs carry is a claim of the model's author: forget it
  kKeep     // what they carry was inferred before: fresh symbols keep their names
};

// Infers `graph` and its subgraphs in node order. Throws kInvalidShape, kInvalidType or
// kInvalidModel naming the node whose rule objects, unless it stands in a branch of If and the
// other branch has types.
void infer_types(ir::Graph& graph, Known known);
// One node, whose inputs are inferred already.
void infer_node(ir::Node& node, Known known = Known::kKeep);
// The same, but a node whose rule objects keeps outputs of unknown types. False if it does. For
// what may stand in a branch that never runs; infer_types finds out where that is an error.
bool try_infer_node(ir::Node& node, Known known = Known::kKeep);

}  // namespace planish::passes
