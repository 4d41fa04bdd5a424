// SPDX-License-Identifier: Apache-2.0
// Attention over heads that lie packed in one row.
#pragma once

#include "passes/pass.h"

namespace planish::passes {

// Transpose(Attention(Transpose(q), Transpose(k), Transpose(v))), all between [batch, length,
// heads, size] and [batch, heads, length, size], becomes the form of Attention that takes [batch,
// length, heads * size]: the transposes go.
bool pack_heads(ir::Graph& graph, PassContext& context);

// Masks of Attention that are bools or integers become float32; layers share them.
bool use_float_masks(ir::Graph& graph, PassContext& context);

}  // namespace planish::passes
