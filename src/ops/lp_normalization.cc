// SPDX-License-Identifier: Apache-2.0
// LpNormalization: divides by the L1 or L2 norm along an axis.
// https://onnx.ai/onnx/operators/onnx__LpNormalization.html
#include "base/str.h"
#include "ops/along_axis.h"
#include "ops/global_pool.h"

namespace planish {
namespace {

void infer_lp_normalization(InferContext& c) {
  const int64_t p = c.attributes().integer("p", 2);
  if (p != 1 && p != 2) c.fail(concat("p: expected 1 or 2, got ", p), ErrorCode::kInvalidModel);
  infer_along_axis(c);
}

void run_lp_normalization(KernelContext& c) {
  const double p = lp_order(c);
  run_along_axis(c, [&](std::vector<double>& line) {
    LpNorm norm(p);
    for (double v : line) norm.add(v);
    // The norm of zeros is zero, and so is the output.
    if (norm.value() == 0) return;
    for (double& v : line) v /= norm.value();
  });
}

const RegisterOp kLpNormalization(
    {.name = "LpNormalization",
     .attributes = {optional("axis", AttrKind::kInt), optional("p", AttrKind::kInt)},
     .inputs = {1, 1},
     .outputs = {1, 1},
     .infer = infer_lp_normalization,
     .run = run_lp_normalization,
     .tolerance = {1e-6},
     .source = "https://onnx.ai/onnx/operators/onnx__LpNormalization.html"});

}  // namespace
}  // namespace planish
