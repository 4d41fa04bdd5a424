// SPDX-License-Identifier: Apache-2.0
// Attention heads in a tensor: [batch, heads, length, size], or packed as [batch, length, heads *
// size].
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "ops/op.h"
#include "tensor/elements.h"

namespace planish {

struct HeadLayout {
  // `packed_heads` counts for tensors of rank 3.
  HeadLayout(const Dims& dims, int64_t packed_heads)
      : batch(dims[0]),
        heads(dims.size() == 4 ? dims[1] : packed_heads),
        length(dims.size() == 4 ? dims[2] : dims[1]),
        size(dims.size() == 4    ? dims[3]
             : packed_heads == 0 ? 0
                                 : dims[2] / packed_heads),
        is_packed(dims.size() == 3) {}

  int64_t batch, heads, length, size;
  bool is_packed;

  int64_t row(int64_t b, int64_t h, int64_t s) const {
    return (is_packed ? (b * length + s) * heads + h : (b * heads + h) * length + s) * size;
  }
  // The rows of one head, [length][size].
  void read(const Tensor& t, int64_t b, int64_t h, double* out) const {
    if (!is_packed) return load<double>(t, row(b, h, 0), length * size, out);
    for (int64_t s = 0; s < length; ++s) load<double>(t, row(b, h, s), size, out + s * size);
  }
  void write(Tensor& t, int64_t b, int64_t h, const double* in) const {
    if (!is_packed) return store<double>(t, row(b, h, 0), length * size, in);
    for (int64_t s = 0; s < length; ++s) store<double>(t, row(b, h, s), size, in + s * size);
  }
};

// The dims of heads in a shape rule; [batch, heads, length, size] whatever the layout.
// `packed_heads` (at least 1) must divide the last dim of rank 3.
inline Shape head_dims(InferContext& c, int i, int64_t packed_heads) {
  const Shape& s = c.shape(i);
  if (s.size() == 4) return s;
  Dim size;
  if (const auto exact = Dim::exact_div(s[2], Dim(packed_heads)))
    size = *exact;
  else if (s[2].is_constant())
    c.fail("input " + std::to_string(i) + ": expected a multiple of " +
           std::to_string(packed_heads) + " heads, got " + to_string(s));
  else
    size = s[2].floor_div(packed_heads);
  return {s[0], Dim(packed_heads), s[1], size};
}

// In place; a line whose elements are all minus infinity, which no element may attend, becomes
// zero.
inline void attention_softmax(double* line, int64_t n) {
  double peak = -HUGE_VAL;
  for (int64_t i = 0; i < n; ++i)
    if (!(line[i] <= peak)) peak = line[i];
  if (peak == -HUGE_VAL) {
    std::fill_n(line, n, 0.0);
    return;
  }
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += line[i] = std::exp(line[i] - peak);
  for (int64_t i = 0; i < n; ++i) line[i] /= sum;
}

}  // namespace planish
