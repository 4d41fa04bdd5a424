// SPDX-License-Identifier: Apache-2.0
// Quantisation at the edges of fused nodes.
#pragma once

#include <optional>
#include <vector>

#include "passes/pass.h"

namespace planish::cpu {

// A product (with its tail) of two DequantizeLinear takes them into its body, and the
// QuantizeLinear behind it. A pointwise tree takes in those of one scale, spelled out. After
// fuse-tails.
bool absorb_quantization(ir::Graph& graph, passes::PassContext& context);

// What absorb_quantization made, as a lowering needs it. Constants of the graph or of the body.
struct QuantizedProduct {
  const ir::Node* root = nullptr;  // planish.ConvNhwc or MatMul
  const ir::Value* x = nullptr;    // 8-bit, of the outer graph
  const Tensor* x_scale = nullptr;
  const ir::Value* x_zero = nullptr;   // null: 0; a value of the body
  const Tensor* w = nullptr;           // 8-bit
  const Tensor* w_scale = nullptr;     // one element, or one an output channel
  const Tensor* w_zero = nullptr;      // null: 0
  const ir::Node* quantize = nullptr;  // behind the tail; null: the result is float32
};
// Nothing if the node is none.
std::optional<QuantizedProduct> quantized_product(const ir::Node& node);

}  // namespace planish::cpu
