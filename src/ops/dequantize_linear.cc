// SPDX-License-Identifier: Apache-2.0
// DequantizeLinear: (x - zero point) * scale, for a tensor, an axis or blocks.
// https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/quantization.h"

namespace planish {
namespace {

bool is_dequantizable_dtype(DType t) {
  return is_integer(t) ? dtype_bits(t) <= 16 || t == DType::kI32
                       : is_float(t) && dtype_bits(t) <= 8 && t != DType::kF8E8M0;
}
bool is_dequantizing_scale(DType t) { return is_real_float(t) || t == DType::kF8E8M0; }

void infer_dequantize_linear(InferContext& c) {
  check_tensor(c, 0, is_dequantizable_dtype, "a quantised type");
  DType type = check_tensor(c, 1, is_dequantizing_scale, "a float or float8e8m0");
  check_same_dtype_pair(c, 0, 2);
  if (c.attributes().integer("output_dtype", 0) != 0)
    type = dtype_attribute(c, "output_dtype", DType::kUndefined);
  if (type != DType::kUndefined && !is_real_float(type))
    c.fail(concat("output_dtype: expected a float type, got ", dtype_name(type)),
           ErrorCode::kInvalidType);
  check_scales(c, 1, 2);
  set_shape_like(c, 0, 0, type);
}

void run_dequantize_linear(KernelContext& c) {
  Tensor& y = c.output(0);
  std::vector<double> x = load<double>(c.input(0));
  const std::vector<double> scale = load<double>(c.input(1));
  std::vector<double> zero(scale.size(), 0);
  if (c.has_input(2)) zero = load<double>(c.input(2));
  if (zero.size() != scale.size()) c.fail("scale and zero point differ in size");
  ScaleIndex(c, c.input(0).dims(), c.input(1).dims())
      .for_each_run([&](int64_t first, int64_t n, int64_t s, int64_t step) {
        for (int64_t i = 0; i < n; ++i) {
          double& v = x[static_cast<size_t>(first + i)];
          const auto at = static_cast<size_t>(s + i * step);
          v = (v - zero[at]) * scale[at];
        }
      });
  store(y, x);
}

const RegisterOp kDequantizeLinear(
    {.name = "DequantizeLinear",
     .attributes = {optional("axis", AttrKind::kInt), optional("block_size", AttrKind::kInt),
                    optional("output_dtype", AttrKind::kInt)},
     .inputs = {2, 3},
     .outputs = {1, 1},
     .infer = infer_dequantize_linear,
     .run = run_dequantize_linear,
     .tolerance = {1e-6},
     .source = "https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html"});

}  // namespace
}  // namespace planish
