// SPDX-License-Identifier: Apache-2.0
// LogSoftmax: the logarithm of Softmax.  https://onnx.ai/onnx/operators/onnx__LogSoftmax.html
#include <algorithm>
#include <cmath>

#include "ops/along_axis.h"

namespace planish {
namespace {

void infer_log_softmax(InferContext& c) { infer_along_axis(c); }

void run_log_softmax(KernelContext& c) {
  run_along_axis(c, [](std::vector<double>& line) {
    if (line.empty()) return;
    const double peak = *std::max_element(line.begin(), line.end());
    double sum = 0;
    for (double v : line) sum += std::exp(v - peak);
    const double log_sum = std::log(sum);
    for (double& v : line) v = v - peak - log_sum;
  });
}

const RegisterOp kLogSoftmax({.name = "LogSoftmax",
                              .attributes = {optional("axis", AttrKind::kInt)},
                              .inputs = {1, 1},
                              .outputs = {1, 1},
                              .infer = infer_log_softmax,
                              .run = run_log_softmax,
                              .tolerance = {1e-6},
                              .source = "https://onnx.ai/onnx/operators/onnx__LogSoftmax.html"});

}  // namespace
}  // namespace planish
