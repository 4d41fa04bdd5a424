// SPDX-License-Identifier: Apache-2.0
// SoftmaxCrossEntropyLoss: minus the log-probability of the right class, from raw scores.
// https://onnx.ai/onnx/operators/onnx__SoftmaxCrossEntropyLoss.html
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/checks.h"
#include "ops/class_loss.h"
#include "ops/strides.h"
#include "tensor/elements.h"

namespace planish {
namespace {

void infer_softmax_cross_entropy_loss(InferContext& c) {
  infer_class_loss(c);
  set_like(c, 1, 0);
}

void run_softmax_cross_entropy_loss(KernelContext& c) {
  const Dims& dims = c.input(0).dims();
  const int64_t classes = dims[1], space = inner_count(dims, 1);
  std::vector<double> x = load<double>(c.input(0));
  for (int64_t n = 0; n < dims[0]; ++n)
    for (int64_t i = 0; i < space; ++i) {
      double* line = x.data() + n * classes * space + i;
      double peak = -HUGE_VAL, sum = 0;
      for (int64_t k = 0; k < classes; ++k) peak = std::max(peak, line[k * space]);
      for (int64_t k = 0; k < classes; ++k) sum += std::exp(line[k * space] - peak);
      const double log_sum = std::log(sum);
      for (int64_t k = 0; k < classes; ++k) line[k * space] = line[k * space] - peak - log_sum;
    }
  if (c.wants_output(0)) run_class_loss(c, x);
  if (c.wants_output(1)) store(c.output(1), x);
}

const RegisterOp kSoftmaxCrossEntropyLoss(
    {.name = "SoftmaxCrossEntropyLoss",
     .attributes = {optional("ignore_index", AttrKind::kInt),
                    optional("reduction", AttrKind::kString)},
     .inputs = {2, 3},
     .outputs = {1, 2},
     .infer = infer_softmax_cross_entropy_loss,
     .run = run_softmax_cross_entropy_loss,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__SoftmaxCrossEntropyLoss.html"});

}  // namespace
}  // namespace planish
