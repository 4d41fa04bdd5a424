// SPDX-License-Identifier: Apache-2.0
// Algebraic rules, by family. Each rule stands under its equation.
#pragma once

#include "passes/pass.h"

namespace planish::passes {

// What computes nothing goes: Identity, Cast to the same type, x + 0, x * 1, Dropout, empty Pad,
// ...
bool drop_identities(ir::Graph& graph, PassContext& context);
// Slice of Concat, Concat of Split, Expand before a broadcast, Cast of Cast, ...: data that moves
// less.
bool simplify_movement(ir::Graph& graph, PassContext& context);
// Constants of neighbours are joined, constant operands stand second, Sub of a constant is Add.
bool simplify_arithmetic(ir::Graph& graph, PassContext& context);
// QuantizeLinear of what only moved from a DequantizeLinear of the same scale is the move alone.
bool move_quantized(ir::Graph& graph, PassContext& context);
// Cheaper spellings: Pow(x, 2) = x * x, x / c = x * (1 / c), pooling over everything = a reduction,
// ...
bool reduce_strength(ir::Graph& graph, PassContext& context);
// Gemm = MatMul + Add, BatchNormalization = Mul + Add: parts that other rules and fusion know.
bool split_composites(ir::Graph& graph, PassContext& context);
// Einsum = transposes around a MatMul or Mul.
bool split_einsum(ir::Graph& graph, PassContext& context);
// Constant factors and terms after (or pads before) a Conv, ConvTranspose or MatMul go into weights
// and bias.
bool fold_into_weights(ir::Graph& graph, PassContext& context);

}  // namespace planish::passes
