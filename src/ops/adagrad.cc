// SPDX-License-Identifier: Apache-2.0
// ai.onnx.preview.training.Adagrad: a step along the gradient, divided by the root of all squares
// so far. https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adagrad.html
#include <cmath>

#include "ops/optimizer.h"

namespace planish {
namespace {

void infer_adagrad(InferContext& c) { infer_optimizer(c, 1); }

void run_adagrad(KernelContext& c) {
  const Attributes& a = c.attributes();
  const double epsilon = a.real("epsilon", 9.999999974752427e-07),
               norm = a.real("norm_coefficient", 0);
  const double rate = element<double>(c.input(0), 0) /
                      (1 + element<double>(c.input(1), 0) * a.real("decay_factor", 0));
  run_optimizer(c, 1, [&](double& x, double gradient, double* state) {
    const double g = norm * x + gradient;
    state[0] += g * g;
    x -= rate * g / (std::sqrt(state[0]) + epsilon);
  });
}

const RegisterOp kAdagrad(
    {.name = "ai.onnx.preview.training.Adagrad",
     .attributes = {optional("decay_factor", AttrKind::kFloat),
                    optional("epsilon", AttrKind::kFloat),
                    optional("norm_coefficient", AttrKind::kFloat)},
     .inputs = {3, kAnyNumber},
     .outputs = {1, kAnyNumber},
     .infer = infer_adagrad,
     .run = run_adagrad,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adagrad.html"});

}  // namespace
}  // namespace planish
