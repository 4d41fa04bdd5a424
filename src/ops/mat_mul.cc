// SPDX-License-Identifier: Apache-2.0
// MatMul: matrix product with numpy's rules for vectors and stacks of matrices.
// https://onnx.ai/onnx/operators/onnx__MatMul.html
#include "ops/mat_mul.h"

#include <algorithm>

#include "base/str.h"
#include "ops/broadcast_index.h"
#include "ops/checks.h"
#include "ops/elements_of.h"
#include "ops/product.h"

namespace planish {

std::optional<Shape> mat_mul_shape(const InferContext& c, int a_input, int b_input) {
  check_min_rank(c, a_input, 1);
  check_min_rank(c, b_input, 1);
  if (!c.has_rank(a_input) || !c.has_rank(b_input)) return std::nullopt;
  const Shape& a = c.shape(a_input);
  const Shape& b = c.shape(b_input);
  const Dim& a_inner = a.back();
  const Dim& b_inner = b.size() == 1 ? b[0] : b[b.size() - 2];
  if (Dim::differs(a_inner, b_inner))
    c.fail(concat("expected as many columns in input ", a_input, " as rows in input ", b_input,
                  ", got ", to_string(a), " and ", to_string(b)));
  auto batch = [](const Shape& s) {
    return s.size() < 2 ? Shape() : Shape(s.begin(), s.end() - 2);
  };
  Shape out = broadcast_shapes(c, batch(a), batch(b));
  if (a.size() > 1) out.push_back(a[a.size() - 2]);
  if (b.size() > 1) out.push_back(b.back());
  return out;
}

MatMulPlan::MatMulPlan(const Dims& a, const Dims& b) {
  const bool a_vector = a.size() == 1, b_vector = b.size() == 1;
  m = a_vector ? 1 : a[a.size() - 2];
  k = a.back();
  n = b_vector ? 1 : b.back();
  const Dims a_batch(a.begin(), a.end() - (a_vector ? 1 : 2));
  const Dims b_batch(b.begin(), b.end() - (b_vector ? 1 : 2));
  Dims out(std::max(a_batch.size(), b_batch.size()), 1);
  for (const Dims* batch : {&a_batch, &b_batch})
    for (size_t i = 0; i < batch->size(); ++i) {
      int64_t& dim = out[out.size() - batch->size() + i];
      if ((*batch)[i] != 1) dim = (*batch)[i];
    }
  a_index = broadcast_indices(a_batch, out);
  b_index = broadcast_indices(b_batch, out);
}

namespace {

void infer_mat_mul(InferContext& c) {
  check_tensor(c, 0, is_mat_mul_dtype, "a float or an integer of 32 or 64 bits");
  set_tensor(c, 0, check_same_dtype(c, 0, 2), mat_mul_shape(c, 0, 1));
}

template <class T, class Sum>
void run_mat_mul_as(KernelContext& c) {
  const ElementsOf<T> a(c.input(0)), b(c.input(1));
  const MatMulPlan plan(c.input(0).dims(), c.input(1).dims());
  Tensor& out = c.output(0);
  if (out.count() == 0) return;
  // In blocks of rows, to bound the sums in hand.
  const int64_t rows = std::clamp<int64_t>((int64_t{1} << 16) / plan.n, 1, plan.m);
  std::vector<Sum> sums(static_cast<size_t>(rows * plan.n));
  for (size_t batch = 0; batch < plan.a_index.size(); ++batch)
    for (int64_t row = 0; row < plan.m; row += rows) {
      const int64_t count = std::min(rows, plan.m - row);
      matrix_product(count, plan.n, plan.k,
                     a.data() + (plan.a_index[batch] * plan.m + row) * plan.k,
                     b.data() + plan.b_index[batch] * plan.k * plan.n, sums.data());
      store<Sum>(out, (static_cast<int64_t>(batch) * plan.m + row) * plan.n, count * plan.n,
                 sums.data());
    }
}

void run_mat_mul(KernelContext& c) {
  const DType type = c.output(0).dtype();
  if (is_integer(type))
    run_mat_mul_as<int64_t, int64_t>(c);
  else
    with_float(type, [&](auto t) { run_mat_mul_as<decltype(t), double>(c); });
}

const RegisterOp kMatMul({.name = "MatMul",
                          .inputs = {2, 2},
                          .outputs = {1, 1},
                          .infer = infer_mat_mul,
                          .run = run_mat_mul,
                          .tolerance = {1e-5},
                          .source = "https://onnx.ai/onnx/operators/onnx__MatMul.html"});

}  // namespace
}  // namespace planish
