// SPDX-License-Identifier: Apache-2.0
// Whether a graph is well formed.
#pragma once

#include "ir/graph.h"

namespace planish::ir {

// Checks use lists, ownership, order (every value is made before it is used, and only values of the
// same graph or of an enclosing one are used), that outputs exist, that names are unique and that
// constants carry the type of their tensor. Throws kInternal naming the node.
void verify(const Graph& graph);

}  // namespace planish::ir
