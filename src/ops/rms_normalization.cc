// SPDX-License-Identifier: Apache-2.0
// RMSNormalization: divides by the root mean square over the trailing axes, then scales.
// https://onnx.ai/onnx/operators/onnx__RMSNormalization.html
#include <cmath>
#include <vector>

#include "ops/checks.h"
#include "ops/normalize.h"
#include "tensor/elements.h"

namespace planish {
namespace {

void infer_rms_normalization(InferContext& c) {
  check_float(c, 0);
  const DType dtype = check_float(c, 1);
  stash_dtype(c);
  set_shape_like(c, 0, 0, dtype);
  if (!c.has_rank(0)) return;
  c.normalize_axis(c.attributes().integer("axis", -1), c.rank(0));
  check_stretches(c, 1, c.shape(0));
}

void run_rms_normalization(KernelContext& c) {
  const Tensor& input = c.input(0);
  const int axis = c.normalize_axis(c.attributes().integer("axis", -1), input.rank());
  const double epsilon = c.attributes().real("epsilon", kNormalizationEpsilon);
  const int64_t size = trailing_count(input.dims(), axis);
  const int64_t rows = size == 0 ? 0 : input.count() / size;
  std::vector<double> x = load<double>(input);
  for (int64_t row = 0; row < rows; ++row) {
    double* at = x.data() + row * size;
    double squares = 0;
    for (int64_t i = 0; i < size; ++i) squares += at[i] * at[i];
    const double rms = std::sqrt(squares / static_cast<double>(size) + epsilon);
    for (int64_t i = 0; i < size; ++i) at[i] /= rms;
  }
  multiply_broadcast(x, c.input(1), input.dims());
  store(c.output(0), x);
}

const RegisterOp kRmsNormalization(
    {.name = "RMSNormalization",
     .attributes = {optional("axis", AttrKind::kInt), optional("epsilon", AttrKind::kFloat),
                    optional("stash_type", AttrKind::kInt)},
     .inputs = {2, 2},
     .outputs = {1, 1},
     .infer = infer_rms_normalization,
     .run = run_rms_normalization,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__RMSNormalization.html"});

}  // namespace
}  // namespace planish
