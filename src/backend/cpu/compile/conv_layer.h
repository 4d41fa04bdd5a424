// SPDX-License-Identifier: Apache-2.0
// A channels-last convolution as its lowerings see it.
#pragma once

#include <optional>

#include "ir/graph.h"
#include "tensor/attributes.h"
#include "tensor/tensor.h"

namespace planish::cpu {

struct ConvLayer {
  const ir::Node* root;  // the convolution, alone or in the body of a fused node
  const ir::Value* x;    // of the outer graph
  const Tensor* w;       // as ONNX has it
};

// Nothing, unless data and weights are floats, the weights constant, with 1 to 3 spatial dims.
std::optional<ConvLayer> conv_layer_of(const ir::Node& node);

// The attributes of a step (see runtime/conv_layout.h).
Attributes conv_attributes(const ConvLayer& layer, int64_t in_channels, int64_t out_channels);

}  // namespace planish::cpu
