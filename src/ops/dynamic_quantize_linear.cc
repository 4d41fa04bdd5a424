// SPDX-License-Identifier: Apache-2.0
// DynamicQuantizeLinear: scale and zero point from the data's range, and the data in uint8.
// https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/checks.h"
#include "ops/quantization.h"

namespace planish {
namespace {

void infer_dynamic_quantize_linear(InferContext& c) {
  check_tensor(
      c, 0, [](DType t) { return t == DType::kF32; }, "float32");
  set_shape_like(c, 0, 0, DType::kU8);
  c.set_output(1, Type::tensor(DType::kF32, Shape{}));
  c.set_output(2, Type::tensor(DType::kU8, Shape{}));
}

void run_dynamic_quantize_linear(KernelContext& c) {
  const auto x = load<float>(c.input(0));
  // The range holds zero. Float arithmetic, as the definition has it.
  float least = 0, most = 0;
  for (float v : x) {
    least = std::min(least, v);
    most = std::max(most, v);
  }
  const float scale = (most == least ? 1.0F : most - least) / 255.0F;
  const auto zero = static_cast<float>(saturate(-least / scale, integer_limits(DType::kU8)));
  if (c.wants_output(0)) {
    std::vector<double> y(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      const float q = std::nearbyint(x[i] / scale);
      y[i] = static_cast<double>(std::isnan(q) ? 0 : q) + static_cast<double>(zero);
    }
    store_saturated(c.output(0), 0, c.output(0).count(), y.data());
  }
  if (c.wants_output(1)) store<float>(c.output(1), 0, 1, &scale);
  if (c.wants_output(2)) store<float>(c.output(2), 0, 1, &zero);
}

const RegisterOp kDynamicQuantizeLinear(
    {.name = "DynamicQuantizeLinear",
     .inputs = {1, 1},
     .outputs = {1, 3},
     .infer = infer_dynamic_quantize_linear,
     .run = run_dynamic_quantize_linear,
     .tolerance = {1e-6},
     .source = "https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html"});

}  // namespace
}  // namespace planish
