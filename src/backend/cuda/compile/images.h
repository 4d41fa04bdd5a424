// SPDX-License-Identifier: Apache-2.0
// Convolutions of images with few channels pack them for themselves.
#pragma once

#include "passes/pass.h"

namespace planish::cuda {

// ConvNhwc(Transpose(Cast(x))) of few channels, channels first before the transpose, becomes one
// planish.Fused node: the packing that the convolution needs anyhow reads x where it lies.
bool take_images_as_they_are(ir::Graph& graph, passes::PassContext& context);

// The most channels that are packed.
inline constexpr int64_t kFewChannels = 4;

}  // namespace planish::cuda
