// SPDX-License-Identifier: Apache-2.0
// The axes of a broadcast as a kernel walks them: merged where all operands allow.
#pragma once

#include <vector>

#include "tensor/dim.h"

namespace planish::cuda {

struct Axes {
  std::vector<Dim> dims;  // outermost first; none: one element
  std::vector<std::vector<Dim>>
      strides;  // by operand, by axis: in elements, 0 where it is broadcast
};

// `strides` of each operand along all axes of `shape`. Axes of size 1 go, neighbours merge.
Axes merge_axes(const Shape& shape, const std::vector<std::vector<Dim>>& strides);

std::vector<Dim> dense_strides(const Shape& shape);

}  // namespace planish::cuda
