// SPDX-License-Identifier: Apache-2.0
// ai.onnx.preview.training.Momentum: a step along the running sum of gradients.
// https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Momentum.html
#include <string>

#include "ops/optimizer.h"

namespace planish {
namespace {

void infer_momentum(InferContext& c) {
  const std::string& mode = c.attributes().text("mode");
  if (mode != "standard" && mode != "nesterov")
    c.fail(concat("mode: expected standard or nesterov, got \"", mode, "\""),
           ErrorCode::kInvalidModel);
  infer_optimizer(c, 1);
}

void run_momentum(KernelContext& c) {
  const Attributes& a = c.attributes();
  const double alpha = a.real("alpha"), norm = a.real("norm_coefficient");
  const double beta = element<int64_t>(c.input(1), 0) > 0 ? a.real("beta") : 1;
  const bool is_nesterov = a.text("mode") == "nesterov";
  const auto rate = element<double>(c.input(0), 0);
  run_optimizer(c, 1, [&](double& x, double gradient, double* state) {
    const double g = norm * x + gradient;
    state[0] = alpha * state[0] + beta * g;
    x -= rate * (is_nesterov ? g + alpha * state[0] : state[0]);
  });
}

const RegisterOp kMomentum(
    {.name = "ai.onnx.preview.training.Momentum",
     .attributes = {required("alpha", AttrKind::kFloat), required("beta", AttrKind::kFloat),
                    required("mode", AttrKind::kString),
                    required("norm_coefficient", AttrKind::kFloat)},
     .inputs = {3, kAnyNumber},
     .outputs = {1, kAnyNumber},
     .infer = infer_momentum,
     .run = run_momentum,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Momentum.html"});

}  // namespace
}  // namespace planish
