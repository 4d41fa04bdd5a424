// SPDX-License-Identifier: Apache-2.0
// Softmax: exponentials along an axis, divided by their sum.
// https://onnx.ai/onnx/operators/onnx__Softmax.html
#include <algorithm>
#include <cmath>

#include "ops/along_axis.h"

namespace planish {
namespace {

void infer_softmax(InferContext& c) { infer_along_axis(c); }

void run_softmax(KernelContext& c) {
  run_along_axis(c, [](std::vector<double>& line) {
    if (line.empty()) return;
    const double peak = *std::max_element(line.begin(), line.end());
    double sum = 0;
    for (double& v : line) sum += v = std::exp(v - peak);
    for (double& v : line) v /= sum;
  });
}

const RegisterOp kSoftmax({.name = "Softmax",
                           .attributes = {optional("axis", AttrKind::kInt)},
                           .inputs = {1, 1},
                           .outputs = {1, 1},
                           .infer = infer_softmax,
                           .run = run_softmax,
                           .tolerance = {1e-6},
                           .source = "https://onnx.ai/onnx/operators/onnx__Softmax.html"});

}  // namespace
}  // namespace planish
