// SPDX-License-Identifier: Apache-2.0
// Brings quantised graphs into the form that backends look for: 8-bit tensors between
// QuantizeLinear and DequantizeLinear, and products of what two DequantizeLinear give.
#pragma once

#include "passes/pass.h"

namespace planish::passes {

// QLinearConv and QLinearMatMul with constant scales become products between DequantizeLinear and
// QuantizeLinear. Sums are then scaled in float32; an element that lies within its rounding of the
// middle between two integers may come out as the other one.
bool spell_out_quantized(ir::Graph& graph, PassContext& context);

// ConvInteger to channels-last form, between two transposes.
bool use_integer_channels_last(ir::Graph& graph, PassContext& context);

// Transposes move below QuantizeLinear and DequantizeLinear; of constants, above them.
bool sink_transposes_below_quantization(ir::Graph& graph, PassContext& context);
// The other way round, for when nothing is sunk any more: it is 8-bit integers that are moved.
bool raise_transposes_above_dequantization(ir::Graph& graph, PassContext& context);

// Whether the node is the DequantizeLinear of 8-bit weights of a product whose other factor is
// quantised too: PassContext::keep_quantized_weights leaves it alone.
bool is_quantized_weight(const ir::Node& node);

}  // namespace planish::passes
