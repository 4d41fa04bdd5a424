// SPDX-License-Identifier: Apache-2.0
// The geometry of a convolution step, shared by who packs its weights and who runs it.
#pragma once

#include <vector>

#include "backend/cpu/kernels/conv.h"
#include "tensor/attributes.h"

namespace planish::cpu {

// Channels, groups, kernel, strides and dilations from a step's attributes; sizes of the image are
// left at 1. Throws kInvalidPlan.
Conv conv_geometry(const Attributes& attributes, int64_t in_channels, int64_t out_channels);

// The pads before the first pixel, from ONNX's list of those before and after.
void set_pads(Conv& conv, const std::vector<int64_t>& pads);

// A transposed convolution is one problem for each residue of an output coordinate: few enough?
bool has_few_phases(const Conv& conv);

// Whether every output channel sees one input channel: what kernels/depthwise.h computes.
bool is_depthwise(const Conv& conv);

}  // namespace planish::cpu
