// SPDX-License-Identifier: Apache-2.0
// Det: determinants of square matrices, by elimination with row pivots in double.
#include <cmath>

#include "ops/computing.h"
#include "ops/shape_rules.h"

namespace planish {
namespace {

void infer_det(InferContext& c) {
  const DType dtype = check_tensor(c, 0, is_float, "floats");
  check_min_rank(c, 0, 2);
  if (!c.has_rank(0)) return set_tensor(c, 0, dtype, std::nullopt);
  Shape out = c.shape(0);
  check_equal(c, out[out.size() - 1], out[out.size() - 2], "the sides of the matrices");
  out.resize(out.size() - 2);
  set_tensor(c, 0, dtype, std::move(out));
}

double determinant(std::vector<double>& m, size_t n) {
  double det = 1;
  for (size_t column = 0; column < n; ++column) {
    size_t pivot = column;
    for (size_t row = column + 1; row < n; ++row)
      if (std::fabs(m[row * n + column]) > std::fabs(m[pivot * n + column])) pivot = row;
    const double head = m[pivot * n + column];
    det *= pivot == column ? head : -head;
    if (head == 0) return 0;
    for (size_t k = 0; k < n && pivot != column; ++k)
      std::swap(m[pivot * n + k], m[column * n + k]);
    for (size_t row = column + 1; row < n; ++row) {
      const double factor = m[row * n + column] / head;
      for (size_t k = column; k < n; ++k) m[row * n + k] -= factor * m[column * n + k];
    }
  }
  return det;
}

void run_det(KernelContext& c) {
  const Tensor& in = c.input(0);
  const int64_t side = in.dim(in.rank() - 1);
  std::vector<double> matrix(static_cast<size_t>(side * side));
  for (int64_t i = 0; i < c.output(0).count(); ++i) {
    load<double>(in, i * side * side, side * side, matrix.data());
    const double det = determinant(matrix, static_cast<size_t>(side));
    store<double>(c.output(0), i, 1, &det);
  }
}

const RegisterOp kDet({.name = "Det",
                       .infer = infer_det,
                       .run = run_det,
                       .tolerance = {1e-4},
                       .source = "https://onnx.ai/onnx/operators/onnx__Det.html"});

}  // namespace
}  // namespace planish
