// SPDX-License-Identifier: Apache-2.0
// Multinomial: draws classes from rows of unnormalised log probabilities.
#include <algorithm>

#include "base/str.h"
#include "ops/random.h"
#include "ops/shape_rules.h"
#include "tensor/elements.h"

namespace planish {
namespace {

void infer_multinomial(InferContext& c) {
  check_tensor(c, 0, is_float, "floats");
  check_rank(c, 0, 2);
  const DType dtype = dtype_attribute(c, "dtype", DType::kI32);
  if (!is_index_dtype(dtype))
    c.fail(concat("dtype: expected int32 or int64, got ", dtype_name(dtype)),
           ErrorCode::kInvalidType);
  const int64_t draws = c.attributes().integer("sample_size", 1);
  const Dim batch = c.has_rank(0) ? c.shape(0)[0] : c.fresh_dim();
  set_tensor(c, 0, dtype, Shape{batch, check_size(c, draws, "sample_size")});
}

void run_multinomial(KernelContext& c) {
  const Tensor& in = c.input(0);
  Tensor& out = c.output(0);
  Random random(c);
  const int64_t classes = in.dim(1), draws = out.dim(1);
  c.require(classes > 0 || out.count() == 0, "there are no classes to draw from");
  std::vector<double> sums(static_cast<size_t>(classes));
  for (int64_t row = 0; row < in.dim(0); ++row) {
    load<double>(in, row * classes, classes, sums.data());
    const double peak = sums.empty() ? 0 : *std::max_element(sums.begin(), sums.end());
    double total = 0;
    for (double& v : sums) v = total += std::exp(v - peak);
    if (!(total > 0 && std::isfinite(total)))
      c.fail(concat("row ", row, " holds no probabilities"));
    for (int64_t n = 0; n < draws; ++n) {
      const auto at = std::upper_bound(sums.begin(), sums.end(), random.uniform() * total);
      const int64_t chosen = std::min<int64_t>(at - sums.begin(), classes - 1);
      store<int64_t>(out, row * draws + n, 1, &chosen);
    }
  }
}

const RegisterOp kMultinomial({.name = "Multinomial",
                               .attributes = {optional("dtype", AttrKind::kInt),
                                              optional("sample_size", AttrKind::kInt),
                                              optional("seed", AttrKind::kFloat)},
                               .infer = infer_multinomial,
                               .run = run_multinomial,
                               .is_pure = false,
                               .source = "https://onnx.ai/onnx/operators/onnx__Multinomial.html"});

}  // namespace
}  // namespace planish
