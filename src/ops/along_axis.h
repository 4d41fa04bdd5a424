// SPDX-License-Identifier: Apache-2.0
// Ops that work on one line of elements along an axis at a time, such as Softmax.
#pragma once

#include <vector>

#include "ops/checks.h"
#include "ops/op.h"
#include "ops/strides.h"
#include "tensor/elements.h"

namespace planish {

// The output is like input 0, whose axis is attribute `axis`, by default the last.
inline void infer_along_axis(InferContext& c) {
  check_float(c, 0);
  check_min_rank(c, 0, 1);
  set_like(c, 0, 0);
  if (c.has_rank(0)) c.normalize_axis(c.attributes().integer("axis", -1), c.rank(0));
}

// f(std::vector<double>& line) rewrites each line of input 0 along attribute `axis` into output 0.
template <class F>
void run_along_axis(KernelContext& c, F&& f) {
  const Dims& dims = c.input(0).dims();
  const int axis =
      c.normalize_axis(c.attributes().integer("axis", -1), static_cast<int>(dims.size()));
  const int64_t size = dims[static_cast<size_t>(axis)];
  const int64_t outer = outer_count(dims, axis), inner = inner_count(dims, axis);
  std::vector<double> x = load<double>(c.input(0));
  std::vector<double> line(static_cast<size_t>(size));
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      double* first = x.data() + o * size * inner + i;
      for (int64_t k = 0; k < size; ++k) line[static_cast<size_t>(k)] = first[k * inner];
      f(line);
      for (int64_t k = 0; k < size; ++k) first[k * inner] = line[static_cast<size_t>(k)];
    }
  store(c.output(0), x);
}

}  // namespace planish
