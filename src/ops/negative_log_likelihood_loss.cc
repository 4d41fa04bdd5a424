// SPDX-License-Identifier: Apache-2.0
// NegativeLogLikelihoodLoss: minus the log-probability of the right class.
// https://onnx.ai/onnx/operators/onnx__NegativeLogLikelihoodLoss.html
#include "ops/class_loss.h"
#include "tensor/elements.h"

namespace planish {
namespace {

void infer_negative_log_likelihood_loss(InferContext& c) { infer_class_loss(c); }

void run_negative_log_likelihood_loss(KernelContext& c) {
  run_class_loss(c, load<double>(c.input(0)));
}

const RegisterOp kNegativeLogLikelihoodLoss(
    {.name = "NegativeLogLikelihoodLoss",
     .attributes = {optional("ignore_index", AttrKind::kInt),
                    optional("reduction", AttrKind::kString)},
     .inputs = {2, 3},
     .outputs = {1, 1},
     .infer = infer_negative_log_likelihood_loss,
     .run = run_negative_log_likelihood_loss,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__NegativeLogLikelihoodLoss.html"});

}  // namespace
}  // namespace planish
