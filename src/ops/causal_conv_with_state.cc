// SPDX-License-Identifier: Apache-2.0
// CausalConvWithState: a depthwise convolution over the current and past positions, which carries
// the last positions on.  https://onnx.ai/onnx/operators/onnx__CausalConvWithState.html
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "tensor/elements.h"

namespace planish {
namespace {

void infer_causal_conv_with_state(InferContext& c) {
  const DType dtype = check_float(c, 0);
  check_same_dtype(c, 0, 4);
  const std::string activation = c.attributes().text("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish")
    c.fail(concat("activation: expected none, silu or swish, got \"", activation, "\""),
           ErrorCode::kInvalidModel);
  for (int i : {0, 1, 3}) check_rank(c, i, 3);
  set_like(c, 0, 0);
  c.set_output(1, Type::tensor(dtype));
  if (!c.has_rank(0) || !c.has_rank(1)) return;
  const Shape &x = c.shape(0), &w = c.shape(1);
  check_shape(c, 1, {x[1], Dim(1), w[2]});
  check_shape(c, 2, {x[1]});
  if (w[2].is_constant() && w[2].value() < 1) c.fail("expected a kernel of at least 1, got 0");
  const Shape state{x[0], x[1], w[2] - 1};
  check_shape(c, 3, state);
  c.set_output(1, Type::tensor(dtype, state));
}

void run_causal_conv_with_state(KernelContext& c) {
  const Tensor &x = c.input(0), &w = c.input(1);
  const int64_t channels = x.dim(1), length = x.dim(2), taps = w.dim(2), kept = taps - 1;
  const bool is_silu = c.attributes().text("activation", "none") != "none";
  const std::vector<double> weights = load<double>(w);
  std::vector<double> bias(static_cast<size_t>(channels), 0), y(static_cast<size_t>(length));
  if (c.has_input(2)) bias = load<double>(c.input(2));
  std::vector<double> line(static_cast<size_t>(kept + length), 0);
  for (int64_t row = 0; row < x.dim(0) * channels; ++row) {
    std::fill_n(line.begin(), kept, 0.0);
    if (c.has_input(3)) load<double>(c.input(3), row * kept, kept, line.data());
    load<double>(x, row * length, length, line.data() + kept);
    const int64_t ch = row % channels;
    for (int64_t t = 0; t < length; ++t) {
      double sum = bias[static_cast<size_t>(ch)];
      for (int64_t k = 0; k < taps; ++k)
        sum += weights[static_cast<size_t>(ch * taps + k)] * line[static_cast<size_t>(t + k)];
      y[static_cast<size_t>(t)] = is_silu ? sum / (1 + std::exp(-sum)) : sum;
    }
    if (c.wants_output(0)) store<double>(c.output(0), row * length, length, y.data());
    if (c.wants_output(1)) store<double>(c.output(1), row * kept, kept, line.data() + length);
  }
}

const RegisterOp kCausalConvWithState(
    {.name = "CausalConvWithState",
     .attributes = {optional("activation", AttrKind::kString)},
     .inputs = {2, 4},
     .outputs = {1, 2},
     .infer = infer_causal_conv_with_state,
     .run = run_causal_conv_with_state,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__CausalConvWithState.html"});

}  // namespace
}  // namespace planish
