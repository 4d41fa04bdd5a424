// SPDX-License-Identifier: Apache-2.0
// Windows of convolution and pooling as kernels take them: three spatial axes, absent ones of size
// 1, of tensors that lie channels last.
#pragma once

#include <optional>
#include <vector>

#include "backend/cuda/compile/lowering.h"

namespace planish::cuda {

// Of a kernel, stride, dilation or pad: positions that kernels compute with fit 32 bits.
inline constexpr int64_t kMostGeometry = 1 << 20;

struct Windows {
  int64_t kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1};
  int64_t pad[3] = {0, 0, 0}, pad_end[3] = {0, 0, 0};
  int64_t up[3] = {1, 1, 1};   // the input has zeros between its elements: up - 1 each time
  bool has_same_pads = false;  // pads that follow from the sizes: every window fits
};

// `kernel`: sizes by spatial axis. nullopt: the attributes are none of a window, are larger than
// kMostGeometry, or the pads depend on sizes that are not known.
std::optional<Windows> windows_of(const Attributes& attributes, const std::vector<int64_t>& kernel,
                                  const Shape& in, const Shape& out);

// A transposed convolution as a convolution: the input spread, the taps in reverse order. A pad may
// be negative there.
std::optional<Windows> transposed_windows_of(const Attributes& attributes,
                                             const std::vector<int64_t>& kernel, const Shape& in,
                                             const Shape& out);

// The size along one of the three axes.
Dim spatial_size(const Shape& shape, size_t slot);

// Makes the step refuse, at run time, sizes that a window does not fit into.
void require_windows(StepBuilder& step, const Windows& windows, const Shape& in);

}  // namespace planish::cuda
