// SPDX-License-Identifier: Apache-2.0
// QLinearMatMul: a product of quantised matrices, quantised again.
// https://onnx.ai/onnx/operators/onnx__QLinearMatMul.html
#include <vector>

#include "ops/broadcast_index.h"
#include "ops/checks.h"
#include "ops/integer_product.h"
#include "ops/mat_mul.h"
#include "ops/quantization.h"

namespace planish {
namespace {

bool is_qlinear_dtype(DType t) {
  return t == DType::kI8 || t == DType::kU8 || t == DType::kF8E4M3FN || t == DType::kF8E4M3FNUZ ||
         t == DType::kF8E5M2 || t == DType::kF8E5M2FNUZ;
}

void infer_qlinear_mat_mul(InferContext& c) {
  for (int i : {0, 3, 7}) check_tensor(c, i, is_qlinear_dtype, "8-bit integers or floats");
  for (int i : {1, 4, 6}) check_float(c, i);
  check_same_dtype_pair(c, 0, 2);
  check_same_dtype_pair(c, 3, 5);
  for (int i : {1, 2}) check_product_scale(c, 0, i, true);
  for (int i : {4, 5}) check_product_scale(c, 3, i, false);
  check_single(c, 6);
  check_single(c, 7);
  set_tensor(c, 0, c.dtype(7), mat_mul_shape(c, 0, 3));
}

// The scale of each element of the product: the scale's rows (or columns) over the output's dims.
std::vector<int64_t> scale_indices(const Tensor& scale, const Tensor& factor, const Dims& out,
                                   bool is_first) {
  if (scale.count() == 1) return std::vector<int64_t>(static_cast<size_t>(element_count(out)), 0);
  Dims dims = scale.dims();
  if (dims.size() == 1 && is_first && factor.rank() > 1) dims.push_back(1);
  // A vector factor has no axis of its own in the output.
  while (dims.size() > out.size()) dims.erase(dims.begin());
  return broadcast_indices(dims, out);
}

void run_qlinear_mat_mul(KernelContext& c) {
  Tensor& out = c.output(0);
  if (out.count() == 0) return;
  const auto a_scale = load<double>(c.input(1)), b_scale = load<double>(c.input(4));
  const auto y_scale = element<double>(c.input(6), 0), y_zero = element<double>(c.input(7), 0);
  const DType type = c.input(1).dtype();
  const auto a_at = scale_indices(c.input(1), c.input(0), out.dims(), true);
  const auto b_at = scale_indices(c.input(4), c.input(3), out.dims(), false);
  const Quantizer quantizer(out.dtype(), true);
  shifted_product(c.input(0), &c.input(2), c.input(3), &c.input(5),
                  [&](int64_t first, const std::vector<double>& sums) {
                    std::vector<double> y(sums.size());
                    for (size_t i = 0; i < sums.size(); ++i) {
                      const auto at = static_cast<size_t>(first) + i;
                      const double product =
                          round_to(type, a_scale[static_cast<size_t>(a_at[at])] *
                                             b_scale[static_cast<size_t>(b_at[at])]);
                      y[i] = sums[i] * round_to(type, product / y_scale);
                      // Ties are those of the scaled sum, so integers are rounded before the zero
                      // point.
                      if (is_integer(out.dtype())) y[i] = std::nearbyint(y[i]);
                      y[i] += y_zero;
                    }
                    quantizer.store(out, first, y);
                  });
}

const RegisterOp kQLinearMatMul(
    {.name = "QLinearMatMul",
     .inputs = {8, 8},
     .outputs = {1, 1},
     .infer = infer_qlinear_mat_mul,
     .run = run_qlinear_mat_mul,
     .source = "https://onnx.ai/onnx/operators/onnx__QLinearMatMul.html"});

}  // namespace
}  // namespace planish
