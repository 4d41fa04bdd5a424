// SPDX-License-Identifier: Apache-2.0
// MatMulInteger: the product of two 8-bit matrices less their zero points, in int32.
// https://onnx.ai/onnx/operators/onnx__MatMulInteger.html
#include <vector>

#include "ops/checks.h"
#include "ops/integer_product.h"
#include "ops/mat_mul.h"
#include "ops/quantization.h"

namespace planish {
namespace {

bool is_byte_dtype(DType t) { return t == DType::kI8 || t == DType::kU8; }

void infer_mat_mul_integer(InferContext& c) {
  for (int i : {0, 1}) {
    check_tensor(c, i, is_byte_dtype, "int8 or uint8");
    check_same_dtype_pair(c, i, i + 2);
  }
  check_product_scale(c, 0, 2, true);
  check_product_scale(c, 1, 3, false);
  set_tensor(c, 0, DType::kI32, mat_mul_shape(c, 0, 1));
}

void run_mat_mul_integer(KernelContext& c) {
  Tensor& out = c.output(0);
  shifted_product(c.input(0), c.has_input(2) ? &c.input(2) : nullptr, c.input(1),
                  c.has_input(3) ? &c.input(3) : nullptr,
                  [&](int64_t first, const std::vector<double>& sums) {
                    store<double>(out, first, static_cast<int64_t>(sums.size()), sums.data());
                  });
}

const RegisterOp kMatMulInteger(
    {.name = "MatMulInteger",
     .inputs = {2, 4},
     .outputs = {1, 1},
     .infer = infer_mat_mul_integer,
     .run = run_mat_mul_integer,
     .source = "https://onnx.ai/onnx/operators/onnx__MatMulInteger.html"});

}  // namespace
}  // namespace planish
