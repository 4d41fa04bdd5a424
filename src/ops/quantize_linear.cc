// SPDX-License-Identifier: Apache-2.0
// QuantizeLinear: saturate(round(x / scale) + zero point), for a tensor, an axis or blocks.
// https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/quantization.h"

namespace planish {
namespace {

bool is_quantized_dtype(DType t) {
  switch (t) {
    case DType::kI8:
    case DType::kU8:
    case DType::kI16:
    case DType::kU16:
    case DType::kU4:
    case DType::kI4:
    case DType::kU2:
    case DType::kI2:
    case DType::kF8E4M3FN:
    case DType::kF8E4M3FNUZ:
    case DType::kF8E5M2:
    case DType::kF8E5M2FNUZ:
    case DType::kF4E2M1: return true;
    default: return false;
  }
}

bool is_quantizable_dtype(DType t) { return is_real_float(t) || t == DType::kI32; }
bool is_scale_dtype(DType t) { return is_quantizable_dtype(t) || t == DType::kF8E8M0; }

void infer_quantize_linear(InferContext& c) {
  check_tensor(c, 0, is_quantizable_dtype, "a float or int32");
  check_tensor(c, 1, is_scale_dtype, "a float, int32 or float8e8m0");
  DType type = DType::kU8;
  const DType wanted = c.attributes().integer("output_dtype", 0) == 0
                           ? DType::kUndefined
                           : dtype_attribute(c, "output_dtype", DType::kUndefined);
  if (wanted != DType::kUndefined) type = wanted;
  if (c.has_input(2)) {
    const DType zero = check_tensor(c, 2, is_quantized_dtype, "a quantised type");
    if (wanted != DType::kUndefined && zero != DType::kUndefined && zero != wanted)
      c.fail(concat("zero point: expected ", dtype_name(wanted), " (output_dtype), got ",
                    dtype_name(zero)),
             ErrorCode::kInvalidType);
    if (wanted == DType::kUndefined) type = zero;
  }
  if (type != DType::kUndefined && !is_quantized_dtype(type))
    c.fail(concat("output_dtype: expected a quantised type, got ", dtype_name(type)),
           ErrorCode::kInvalidType);
  if (c.attributes().integer("precision", 0) != 0)
    dtype_attribute(c, "precision", DType::kUndefined);
  check_scales(c, 1, 2);
  set_shape_like(c, 0, 0, type);
}

void run_quantize_linear(KernelContext& c) {
  Tensor& y = c.output(0);
  const std::vector<double> x = load<double>(c.input(0)), scale = load<double>(c.input(1));
  std::vector<double> zero(scale.size(), 0);
  if (c.has_input(2)) zero = load<double>(c.input(2));
  if (zero.size() != scale.size()) c.fail("scale and zero point differ in size");
  const int64_t number = c.attributes().integer("precision", 0);
  DType precision = number != 0 ? static_cast<DType>(number) : c.input(1).dtype();
  if (!is_real_float(precision)) precision = DType::kF32;
  const Quantizer quantizer(y.dtype(), c.attributes().integer("saturate", 1) != 0);
  const bool rounds = is_integer(y.dtype());
  std::vector<double> line;
  ScaleIndex(c, c.input(0).dims(), c.input(1).dims())
      .for_each_run([&](int64_t first, int64_t n, int64_t s, int64_t step) {
        line.resize(static_cast<size_t>(n));
        for (int64_t i = 0; i < n; ++i) {
          const auto at = static_cast<size_t>(s + i * step);
          double q = round_to(precision,
                              round_to(precision, x[static_cast<size_t>(first + i)]) / scale[at]);
          if (rounds) q = std::isnan(q) ? 0 : std::nearbyint(q);
          line[static_cast<size_t>(i)] = q + zero[at];
        }
        quantizer.store(y, first, line);
      });
}

const RegisterOp kQuantizeLinear(
    {.name = "QuantizeLinear",
     .attributes = {optional("axis", AttrKind::kInt), optional("block_size", AttrKind::kInt),
                    optional("output_dtype", AttrKind::kInt), optional("precision", AttrKind::kInt),
                    optional("saturate", AttrKind::kInt)},
     .inputs = {2, 3},
     .outputs = {1, 1},
     .infer = infer_quantize_linear,
     .run = run_quantize_linear,
     .source = "https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html"});

}  // namespace
}  // namespace planish
