// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "passes/pass.h"

namespace planish::passes {

// For backends that compute in float32: nodes over float16 and bfloat16 compute in float32, with a
// Cast where a value meets what keeps its type. What only moves halves goes on moving them. Between
// two such nodes nothing is rounded, so results are at least as exact as the graph's.
bool widen_halves(ir::Graph& graph, PassContext& context);

}  // namespace planish::passes
