// SPDX-License-Identifier: Apache-2.0
// GlobalAveragePool: the mean over all spatial axes of each channel.
// https://onnx.ai/onnx/operators/onnx__GlobalAveragePool.html
#include "ops/global_pool.h"

namespace planish {
namespace {

void infer_global_average_pool(InferContext& c) { infer_global_pool(c); }

void run_global_average_pool(KernelContext& c) {
  run_global_pool(c, [](const auto* x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
    return sum / static_cast<double>(n);
  });
}

const RegisterOp kGlobalAveragePool(
    {.name = "GlobalAveragePool",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .infer = infer_global_average_pool,
     .run = run_global_average_pool,
     .tolerance = {1e-6},
     .source = "https://onnx.ai/onnx/operators/onnx__GlobalAveragePool.html"});

}  // namespace
}  // namespace planish
