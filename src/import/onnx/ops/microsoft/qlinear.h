// SPDX-License-Identifier: Apache-2.0
// Ops on quantised tensors, written as the float op between DequantizeLinear and QuantizeLinear.
#pragma once

#include "import/onnx/ops/microsoft/blocks.h"

namespace planish::onnx {

// Inputs i, i + 1 and i + 2 are a quantised tensor, its scale and its zero point (may be absent).
ir::Value* dequantize(NodeContext& c, int i);
// To the scale and the zero point at inputs i and i + 1; an absent zero point is 0 of `like`'s
// type.
void quantize_output(NodeContext& c, ir::Value* y, int i, ir::Value* like);

}  // namespace planish::onnx
