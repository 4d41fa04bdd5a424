// SPDX-License-Identifier: Apache-2.0
// Products of quantised matrices (MatMulInteger, QLinearMatMul).
#pragma once

#include <algorithm>
#include <vector>

#include "base/str.h"
#include "ops/mat_mul.h"
#include "ops/normalize.h"
#include "ops/product.h"
#include "ops/quantization.h"

namespace planish {

// The axis of a matrix that a vector of scales or zero points counts along: rows of the first
// factor, columns of the second.
inline int scale_axis(int rank, bool is_first) { return std::max(0, rank - (is_first ? 2 : 1)); }

// Input `s` holds one value, or one for each row (columns if not `is_first`) of input `x`.
inline void check_product_scale(const InferContext& c, int x, int s, bool is_first) {
  if (!c.has_rank(x) || !c.has_rank(s) || product(c.shape(s)) == Dim(1)) return;
  Shape expected = c.shape(x);
  if (c.rank(s) == 1) {
    const int axis = scale_axis(c.rank(x), is_first);
    return check_scalar_or_vector(c, s, expected[static_cast<size_t>(axis)]);
  }
  check_stretches(c, s, expected);
}

// Calls emit(first element of the product, sums) over rows of the product of a and b, each less its
// zero point (null: none).
template <class Emit>
void shifted_product(const Tensor& a, const Tensor* a_zero, const Tensor& b, const Tensor* b_zero,
                     Emit&& emit) {
  const MatMulPlan plan(a.dims(), b.dims());
  if (plan.n == 0) return;
  const std::vector<float> left = load_shifted(a, a_zero, scale_axis(a.rank(), true));
  const std::vector<float> right = load_shifted(b, b_zero, scale_axis(b.rank(), false));
  const int64_t rows =
      std::clamp<int64_t>((int64_t{1} << 16) / plan.n, 1, std::max<int64_t>(plan.m, 1));
  std::vector<double> sums;
  for (size_t batch = 0; batch < plan.a_index.size(); ++batch)
    for (int64_t row = 0; row < plan.m; row += rows) {
      const int64_t count = std::min(rows, plan.m - row);
      sums.resize(static_cast<size_t>(count * plan.n));
      matrix_product(count, plan.n, plan.k,
                     left.data() + (plan.a_index[batch] * plan.m + row) * plan.k,
                     right.data() + plan.b_index[batch] * plan.k * plan.n, sums.data());
      emit((static_cast<int64_t>(batch) * plan.m + row) * plan.n, sums);
    }
}

}  // namespace planish
