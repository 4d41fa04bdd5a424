// SPDX-License-Identifier: Apache-2.0
// What an exporter spelled out becomes the op that it means.
//
// A spelling is taken only if nothing but itself uses its intermediate results, so no work is done
// twice. Elements where a spelling gives NaN or infinity give the same in the op, but for an
// overflow that the op avoids.
#pragma once

#include "passes/pass.h"

namespace planish::passes {

// Gelu, Swish, Sigmoid, HardSwish, HardSigmoid, Mish, Softplus, Clip.
bool recognize_activations(ir::Graph& graph, PassContext& context);
// LayerNormalization, RMSNormalization, GroupNormalization, Softmax.
bool recognize_normalizations(ir::Graph& graph, PassContext& context);
// DepthToSpace, SpaceToDepth.
bool recognize_rearrangements(ir::Graph& graph, PassContext& context);
// Attention over inputs of rank 4 (or of rank 3: one head).
bool recognize_attention(ir::Graph& graph, PassContext& context);

}  // namespace planish::passes
