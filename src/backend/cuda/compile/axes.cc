// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/axes.h"

#include <algorithm>

namespace planish::cuda {

std::vector<Dim> dense_strides(const Shape& shape) {
  std::vector<Dim> strides(shape.size(), Dim(1));
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

Axes merge_axes(const Shape& shape, const std::vector<std::vector<Dim>>& strides) {
  Axes axes;
  axes.strides.resize(strides.size());
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == Dim(1)) continue;
    bool merges = !axes.dims.empty();
    for (size_t o = 0; merges && o < strides.size(); ++o)
      merges = strides[o][i] == axes.strides[o].back() * axes.dims.back();
    if (merges) {
      axes.dims.back() = axes.dims.back() * shape[i];
      continue;
    }
    axes.dims.push_back(shape[i]);
    for (size_t o = 0; o < strides.size(); ++o) axes.strides[o].push_back(strides[o][i]);
  }
  std::reverse(axes.dims.begin(), axes.dims.end());
  for (auto& s : axes.strides) std::reverse(s.begin(), s.end());
  return axes;
}

}  // namespace planish::cuda
