// SPDX-License-Identifier: Apache-2.0
// DynamicQuantizeMatMul and MatMulIntegerToFloat: an integer product with float scales around it.
#include "import/onnx/ops/microsoft/blocks.h"

namespace planish::onnx::microsoft_dynamic_quantize_mat_mul {
namespace {

ir::Value* scaled_product(NodeContext& c, std::vector<ir::Value*> operands, ir::Value* scale_a,
                          ir::Value* scale_b, ir::Value* bias) {
  ir::Value* product = cast(c, c.emit("MatMulInteger", std::move(operands)), DType::kF32);
  ir::Value* y = c.emit("Mul", {product, c.emit("Mul", {scale_a, scale_b})});
  return bias == nullptr ? y : c.emit("Add", {y, bias});
}

// A, B, scale of B, zero point of B, bias
void import_dynamic(NodeContext& c) {
  const auto quantized = c.emit_many("DynamicQuantizeLinear", {c.required(0)}, 3);
  c.set_output(0, scaled_product(c, {quantized[0], c.required(1), quantized[2], c.input(3)},
                                 quantized[1], c.required(2), c.input(4)));
}

// A, B, scales of A and B, zero points of A and B, bias
void import_to_float(NodeContext& c) {
  c.set_output(0, scaled_product(c, {c.required(0), c.required(1), c.input(4), c.input(5)},
                                 c.required(2), c.required(3), c.input(6)));
}

const RegisterImporter kDynamic("DynamicQuantizeMatMul", import_dynamic, kMicrosoft);
const RegisterImporter kToFloat("MatMulIntegerToFloat", import_to_float, kMicrosoft);

}  // namespace
}  // namespace planish::onnx::microsoft_dynamic_quantize_mat_mul
