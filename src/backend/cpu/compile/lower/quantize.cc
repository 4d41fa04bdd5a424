// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/lowering.h"

namespace planish::cpu {
namespace {

bool is_byte(const ir::Value* v) {
  return v != nullptr && v->type().is_tensor() &&
         (v->type().dtype == DType::kU8 || v->type().dtype == DType::kI8);
}

bool has_one_element(const ir::Value* v) {
  return v == nullptr || (has_rank(v) && product(*v->type().shape) == Dim(1));
}

std::optional<ref::StepChoice> lower_quantize(const ir::Node& node, const LowerTarget&) {
  const bool inverse = node.op() == "DequantizeLinear";
  const ir::Value* floats = inverse ? node.output() : node.input(0);
  const ir::Value* bytes = inverse ? node.input(0) : node.output();
  const Attributes& a = node.attributes();
  if (!is_f32(floats) || !is_byte(bytes) || !has_rank(floats) || !has_rank(bytes) ||
      !is_f32(node.input(1)) || !has_rank(node.input(1)))
    return std::nullopt;
  const int64_t precision = a.integer("precision", 0);
  if (a.integer("block_size", 0) != 0 ||
      (precision != 0 && precision != static_cast<int64_t>(DType::kF32)))
    return std::nullopt;
  int64_t axis = -1;
  if (!has_one_element(node.input(1)) || !has_one_element(node.input(2))) {
    if (node.input(1)->type().shape->size() != 1) return std::nullopt;
    axis = a.integer("axis", 1);
    axis += axis < 0 ? static_cast<int64_t>(bytes->type().shape->size()) : 0;
  }
  return ref::StepChoice{
      .kernel = inverse ? "cpu.dequantize" : "cpu.quantize",
      .attributes = Attributes{{"axis", axis}},
      .inputs = std::vector<ref::StepChoice::Input>{node.input(0), node.input(1),
                                                    static_cast<const ir::Value*>(node.input(2))},
      .tactic = "vectorised runs"};
}

std::optional<ref::StepChoice> lower_dynamic_quantize(const ir::Node& node, const LowerTarget&) {
  if (node.outputs().size() != 3) return std::nullopt;
  for (const ir::Value* out : node.outputs())
    if (out == nullptr) return std::nullopt;
  return ref::StepChoice{.kernel = "cpu.dynamic_quantize",
                         .attributes = Attributes(),
                         .tactic = "range, then vectorised runs"};
}

const RegisterLowering kQuantize[] = {{"QuantizeLinear", lower_quantize},
                                      {"DequantizeLinear", lower_quantize},
                                      {"DynamicQuantizeLinear", lower_dynamic_quantize}};

}  // namespace
}  // namespace planish::cpu
