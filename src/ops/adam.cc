// SPDX-License-Identifier: Apache-2.0
// ai.onnx.preview.training.Adam: a step along averages of the gradients, divided by those of their
// squares. https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adam.html
#include <cmath>

#include "ops/optimizer.h"

namespace planish {
namespace {

void infer_adam(InferContext& c) { infer_optimizer(c, 2); }

void run_adam(KernelContext& c) {
  const Attributes& a = c.attributes();
  const double alpha = a.real("alpha", 0.8999999761581421),
               beta = a.real("beta", 0.9990000128746033);
  const double epsilon = a.real("epsilon", 9.999999974752427e-07);
  const double norm = a.real("norm_coefficient", 0), norm_post = a.real("norm_coefficient_post", 0);
  double rate = element<double>(c.input(0), 0);
  const auto count = element<double>(c.input(1), 0);
  if (count > 0) rate *= std::sqrt(1 - std::pow(beta, count)) / (1 - std::pow(alpha, count));
  run_optimizer(c, 2, [&](double& x, double gradient, double* state) {
    const double g = norm * x + gradient;
    state[0] = alpha * state[0] + (1 - alpha) * g;
    state[1] = beta * state[1] + (1 - beta) * g * g;
    x = (1 - norm_post) * (x - rate * state[0] / (std::sqrt(state[1]) + epsilon));
  });
}

const RegisterOp kAdam(
    {.name = "ai.onnx.preview.training.Adam",
     .attributes = {optional("alpha", AttrKind::kFloat), optional("beta", AttrKind::kFloat),
                    optional("epsilon", AttrKind::kFloat),
                    optional("norm_coefficient", AttrKind::kFloat),
                    optional("norm_coefficient_post", AttrKind::kFloat)},
     .inputs = {3, kAnyNumber},
     .outputs = {1, kAnyNumber},
     .infer = infer_adam,
     .run = run_adam,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adam.html"});

}  // namespace
}  // namespace planish
