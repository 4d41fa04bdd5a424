// SPDX-License-Identifier: Apache-2.0
// More checks for shape rules, as those of shape_rules.h: each passes where nothing is known yet.
#pragma once

#include "ops/shape_rules.h"

namespace planish {

// float16, bfloat16, float32 or float64.
inline bool is_real_float(DType t) {
  return t == DType::kF32 || t == DType::kF64 || t == DType::kF16 || t == DType::kBF16;
}
// The element type of input i, which must be one of these.
inline DType check_float(const InferContext& c, int i) {
  return check_tensor(c, i, is_real_float, "float16, bfloat16, float32 or float64");
}
bool has_dtype(const InferContext& c, int i);
// Inputs i and j, where both are present, have one element type.
void check_same_dtype_pair(const InferContext& c, int i, int j);

// Dim `axis` of input i may be `expected`.
void check_dim(const InferContext& c, int i, int axis, const Dim& expected);
void check_shape(const InferContext& c, int i, const Shape& expected);

// Output o has the shape of input i and the given dtype.
void set_shape_like(InferContext& c, int o, int i, DType dtype);

}  // namespace planish
