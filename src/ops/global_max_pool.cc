// SPDX-License-Identifier: Apache-2.0
// GlobalMaxPool: the largest element over all spatial axes of each channel.
// https://onnx.ai/onnx/operators/onnx__GlobalMaxPool.html
#include "ops/global_pool.h"

namespace planish {
namespace {

void infer_global_max_pool(InferContext& c) { infer_global_pool(c); }

void run_global_max_pool(KernelContext& c) {
  run_global_pool(c, [](const auto* x, int64_t n) {
    double best = -HUGE_VAL;
    for (int64_t i = 0; i < n && !std::isnan(best); ++i)
      if (!(x[i] <= best)) best = static_cast<double>(x[i]);
    return best;
  });
}

const RegisterOp kGlobalMaxPool(
    {.name = "GlobalMaxPool",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .infer = infer_global_max_pool,
     .run = run_global_max_pool,
     .source = "https://onnx.ai/onnx/operators/onnx__GlobalMaxPool.html"});

}  // namespace
}  // namespace planish
