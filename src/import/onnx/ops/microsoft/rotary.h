// SPDX-License-Identifier: Apache-2.0
// Rotary embeddings, as RotaryEmbedding and GroupQueryAttention use them.
#pragma once

#include "import/onnx/ops/microsoft/blocks.h"

namespace planish::onnx {

// `places` is int64[batch, length]; `heads` is needed where x has rank 3.
ir::Value* rotate(NodeContext& c, ir::Value* x, ir::Value* cos, ir::Value* sin, ir::Value* places,
                  int64_t heads, bool interleaved, int64_t rotated);

}  // namespace planish::onnx
