// SPDX-License-Identifier: Apache-2.0
// Gemm: alpha * A' * B' + beta * C, with C broadcast.
// https://onnx.ai/onnx/operators/onnx__Gemm.html
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/str.h"
#include "ops/broadcast_index.h"
#include "ops/checks.h"
#include "ops/elements_of.h"
#include "ops/mat_mul.h"
#include "ops/op.h"
#include "ops/product.h"

namespace planish {
namespace {

void infer_gemm(InferContext& c) {
  check_tensor(c, 0, is_mat_mul_dtype, "a float or an integer of 32 or 64 bits");
  const DType dtype = check_same_dtype(c, 0, 3);
  check_rank(c, 0, 2);
  check_rank(c, 1, 2);
  if (!c.has_rank(0) || !c.has_rank(1)) return c.set_output(0, Type::tensor(dtype));
  const size_t a_t = flag(c.attributes(), "transA", false),
               b_t = flag(c.attributes(), "transB", false);
  const Shape &a = c.shape(0), &b = c.shape(1);
  if (Dim::differs(a[1 - a_t], b[b_t]))
    c.fail(concat("expected equal inner dimensions, got ", to_string(a), a_t ? " transposed" : "",
                  " and ", to_string(b), b_t ? " transposed" : ""));
  const Shape out{a[a_t], b[1 - b_t]};
  if (c.has_rank(2)) {
    const Shape& bias = c.shape(2);
    bool fits = bias.size() <= 2;
    for (size_t i = 1; fits && i <= bias.size(); ++i) {
      const Dim& dim = bias[bias.size() - i];
      fits = !Dim::differs(dim, Dim(1)) || !Dim::differs(dim, out[2 - i]);
    }
    if (!fits)
      c.fail(concat("input 2: expected a shape that broadcasts to ", to_string(out), ", got ",
                    to_string(bias)));
  }
  c.set_output(0, Type::tensor(dtype, out));
}

// alpha * sums + beta * bias, in place; integers stay exact where the factors are 1.
void scale_and_add(std::vector<double>& sums, const double* bias, const int64_t* at, double alpha,
                   double beta) {
  for (size_t i = 0; i < sums.size(); ++i) {
    sums[i] *= alpha;
    if (bias != nullptr) sums[i] += beta * bias[at[i]];
  }
}

void scale_and_add(std::vector<int64_t>& sums, const int64_t* bias, const int64_t* at, double alpha,
                   double beta) {
  auto scaled = [](int64_t v, double factor) {
    if (factor == std::trunc(factor) && std::fabs(factor) < 0x1p62)
      return static_cast<uint64_t>(v) * static_cast<uint64_t>(static_cast<int64_t>(factor));
    const double product = static_cast<double>(v) * factor;
    return std::fabs(product) < 0x1p63 ? static_cast<uint64_t>(static_cast<int64_t>(product)) : 0;
  };
  for (size_t i = 0; i < sums.size(); ++i) {
    uint64_t value = scaled(sums[i], alpha);
    if (bias != nullptr) value += scaled(bias[at[i]], beta);
    sums[i] = static_cast<int64_t>(value);
  }
}

template <class T, class Sum>
void run_gemm_as(KernelContext& c) {
  Tensor& out = c.output(0);
  const int64_t m = out.dim(0), n = out.dim(1);
  if (out.count() == 0) return;
  const bool a_t = flag(c.attributes(), "transA", false),
             b_t = flag(c.attributes(), "transB", false);
  const int64_t k = c.input(0).dim(a_t ? 0 : 1);
  const ElementsOf<T> a_in(c.input(0)), b_in(c.input(1));
  std::vector<T> a_turned, b_turned;
  const T *a = a_in.data(), *b = b_in.data();
  if (a_t) {
    a_turned.resize(static_cast<size_t>(m * k));
    transpose_matrix(k, m, a, a_turned.data());
    a = a_turned.data();
  }
  if (b_t) {
    b_turned.resize(static_cast<size_t>(k * n));
    transpose_matrix(n, k, b, b_turned.data());
    b = b_turned.data();
  }
  std::vector<Sum> bias;
  std::vector<int64_t> at;
  if (c.has_input(2)) {
    bias = load<Sum>(c.input(2));
    at = broadcast_indices(c.input(2).dims(), out.dims());
  }
  const double alpha = c.attributes().real("alpha", 1), beta = c.attributes().real("beta", 1);
  const int64_t rows = std::clamp<int64_t>((int64_t{1} << 16) / n, 1, m);
  for (int64_t row = 0; row < m; row += rows) {
    const int64_t count = std::min(rows, m - row);
    std::vector<Sum> sums(static_cast<size_t>(count * n));
    matrix_product(count, n, k, a + row * k, b, sums.data());
    scale_and_add(sums, bias.empty() ? nullptr : bias.data(),
                  at.empty() ? nullptr : at.data() + row * n, alpha, beta);
    store<Sum>(out, row * n, count * n, sums.data());
  }
}

void run_gemm(KernelContext& c) {
  const DType type = c.output(0).dtype();
  if (is_integer(type))
    run_gemm_as<int64_t, int64_t>(c);
  else
    with_float(type, [&](auto t) { run_gemm_as<decltype(t), double>(c); });
}

const RegisterOp kGemm(
    {.name = "Gemm",
     .attributes = {optional("alpha", AttrKind::kFloat), optional("beta", AttrKind::kFloat),
                    optional("transA", AttrKind::kInt), optional("transB", AttrKind::kInt)},
     .inputs = {2, 3},
     .outputs = {1, 1},
     .infer = infer_gemm,
     .run = run_gemm,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__Gemm.html"});

}  // namespace
}  // namespace planish
