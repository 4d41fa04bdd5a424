// SPDX-License-Identifier: Apache-2.0
// Narrower floats for a graph in float32.
#pragma once

#include "base/options.h"
#include "ir/graph.h"

namespace planish::cuda {

// With precision fp16 or bf16 the float32 data of the ops that have kernels for it become narrow,
// between casts; what `keep` names stays as it is. Kernels accumulate in float32 all the same. The
// graph's inputs and outputs keep their types. Throws kInvalidArgument for a pattern that is none.
void set_precision(ir::Graph& graph, const Options& options);

}  // namespace planish::cuda
