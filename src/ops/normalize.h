// SPDX-License-Identifier: Apache-2.0
// What the normalisations share.
#pragma once

#include <vector>

#include "ops/op.h"

namespace planish {

inline constexpr double kNormalizationEpsilon = 9.999999747378752e-06;  // 1e-5 as float32

// The dtype of saved statistics: attribute stash_type, by default float32.
DType stash_dtype(const InferContext& c);
// Input i, if present, broadcasts to `shape` without changing it.
void check_stretches(const InferContext& c, int i, const Shape& shape);

// Product of dims from `axis` on.
int64_t trailing_count(const Dims& dims, int axis);
// x[i] *= factor[i] and x[i] += term[i], the tensor being broadcast to `dims`, the dims of x.
void multiply_broadcast(std::vector<double>& x, const Tensor& factor, const Dims& dims);
void add_broadcast(std::vector<double>& x, const Tensor& term, const Dims& dims);

}  // namespace planish
