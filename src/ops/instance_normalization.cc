// SPDX-License-Identifier: Apache-2.0
// InstanceNormalization: zero mean and unit variance of each channel of each image, then scale and
// shift.  https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html
#include <cmath>
#include <vector>

#include "ops/checks.h"
#include "ops/moments.h"
#include "ops/normalize.h"
#include "tensor/elements.h"

namespace planish {
namespace {

void infer_instance_normalization(InferContext& c) {
  check_float(c, 0);
  check_same_dtype(c, 0, 3);
  check_min_rank(c, 0, 2);
  set_like(c, 0, 0);
  if (!c.has_rank(0)) return;
  check_shape(c, 1, {c.shape(0)[1]});
  check_shape(c, 2, {c.shape(0)[1]});
}

void run_instance_normalization(KernelContext& c) {
  const Tensor& input = c.input(0);
  const double epsilon = c.attributes().real("epsilon", kNormalizationEpsilon);
  const int64_t channels = input.dim(1), space = trailing_count(input.dims(), 2);
  std::vector<double> x = load<double>(input);
  const auto scale = load<double>(c.input(1)), bias = load<double>(c.input(2));
  for (int64_t image = 0; image < input.dim(0) * channels; ++image) {
    double* at = x.data() + image * space;
    const auto ch = static_cast<size_t>(image % channels);
    const Moments m = moments_of(at, space);
    const double factor = scale[ch] / std::sqrt(m.variance + epsilon);
    for (int64_t i = 0; i < space; ++i) at[i] = (at[i] - m.mean) * factor + bias[ch];
  }
  store(c.output(0), x);
}

const RegisterOp kInstanceNormalization(
    {.name = "InstanceNormalization",
     .attributes = {optional("epsilon", AttrKind::kFloat)},
     .inputs = {3, 3},
     .outputs = {1, 1},
     .infer = infer_instance_normalization,
     .run = run_instance_normalization,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html"});

}  // namespace
}  // namespace planish
