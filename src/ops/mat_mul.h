// SPDX-License-Identifier: Apache-2.0
// What the matrix products (MatMul, MatMulInteger, QLinearMatMul) share.
#pragma once

#include <optional>
#include <vector>

#include "ops/op.h"

namespace planish {

inline bool is_mat_mul_dtype(DType t) {
  return t == DType::kF32 || t == DType::kF64 || t == DType::kF16 || t == DType::kBF16 ||
         t == DType::kI32 || t == DType::kI64 || t == DType::kU32 || t == DType::kU64;
}

// The shape of the product of two inputs; nullopt while a rank is unknown.
std::optional<Shape> mat_mul_shape(const InferContext& c, int a_input, int b_input);

// A stack of products [m, k] x [k, n]: for each matrix of the output, which of either input.
struct MatMulPlan {
  MatMulPlan(const Dims& a, const Dims& b);
  int64_t m = 1, n = 1, k = 1;
  std::vector<int64_t> a_index, b_index;
};

}  // namespace planish
