// SPDX-License-Identifier: Apache-2.0
// GlobalLpPool: the Lp norm over all spatial axes of each channel.
// https://onnx.ai/onnx/operators/onnx__GlobalLpPool.html
#include "ops/global_pool.h"

namespace planish {
namespace {

void infer_global_lp_pool(InferContext& c) {
  lp_order(c);
  infer_global_pool(c);
}

void run_global_lp_pool(KernelContext& c) {
  const double p = lp_order(c);
  run_global_pool(c, [&](const auto* x, int64_t n) {
    LpNorm norm(p);
    for (int64_t i = 0; i < n; ++i) norm.add(static_cast<double>(x[i]));
    return norm.value();
  });
}

const RegisterOp kGlobalLpPool(
    {.name = "GlobalLpPool",
     .attributes = {optional("p", AttrKind::kInt)},
     .inputs = {1, 1},
     .outputs = {1, 1},
     .infer = infer_global_lp_pool,
     .run = run_global_lp_pool,
     .tolerance = {1e-6},
     .source = "https://onnx.ai/onnx/operators/onnx__GlobalLpPool.html"});

}  // namespace
}  // namespace planish
