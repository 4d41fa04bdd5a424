// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/ops/microsoft/blocks.h"

#include "base/str.h"
#include "tensor/elements.h"

namespace planish::onnx {

ir::Value* size_of(NodeContext& c, ir::Value* x, int64_t axis) {
  return c.emit("Shape", {x}, {{"start", axis}, {"end", axis + 1}});
}

ir::Value* slice(NodeContext& c, ir::Value* x, int64_t begin, int64_t end, int64_t axis) {
  return c.emit("Slice", {x, c.constant_i64s({begin}, "starts"), c.constant_i64s({end}, "ends"),
                          c.constant_i64s({axis}, "axes")});
}

std::vector<ir::Value*> split(NodeContext& c, ir::Value* x, const std::vector<int64_t>& sizes,
                              int64_t axis) {
  return c.emit_many("Split", {x, c.constant_i64s(sizes, "sizes")}, static_cast<int>(sizes.size()),
                     {{"axis", axis}});
}

ir::Value* transpose(NodeContext& c, ir::Value* x, const std::vector<int64_t>& perm) {
  return c.emit("Transpose", {x}, {{"perm", perm}});
}

ir::Value* cast(NodeContext& c, ir::Value* x, DType type) {
  return c.emit("Cast", {x}, {{"to", static_cast<int64_t>(type)}});
}

ir::Value* positions(NodeContext& c, ir::Value* size) {
  ir::Value* limit = c.emit("Squeeze", {size, c.constant_i64s({0}, "axes")});
  return c.emit("Range", {c.constant_i64(0, "start"), limit, c.constant_i64(1, "delta")});
}

ir::Value* activate(NodeContext& c, ir::Value* x, const std::string& name,
                    const std::vector<double>& parameters) {
  auto parameter = [&](size_t i, double fallback) {
    return i < parameters.size() ? parameters[i] : fallback;
  };
  if (name.empty()) return x;
  if (name == "Relu" || name == "Sigmoid" || name == "Tanh") return c.emit(name, {x});
  if (name == "LeakyRelu") return c.emit(name, {x}, {{"alpha", parameter(0, 0.01f)}});
  if (name == "HardSigmoid")
    return c.emit(name, {x}, {{"alpha", parameter(0, 0.2f)}, {"beta", parameter(1, 0.5)}});
  if (name == "Clip")
    return c.emit(name, {x, c.constant_like(parameter(0, -3.402823466e38), x, "min"),
                         c.constant_like(parameter(1, 3.402823466e38), x, "max")});
  c.unsupported(concat("the activation ", name, " is not known"));
}

ir::Value* attention_mask(NodeContext& c, ir::Value* padding, ir::Value* keys) {
  const auto rank = c.rank(padding);
  if (!rank || *rank < 1 || *rank > 3) c.unsupported("the mask must have rank 1, 2 or 3");
  if (*rank == 3)
    return c.emit("Unsqueeze", {cast(c, padding, DType::kBool), c.constant_i64s({1}, "axes")});
  ir::Value* mask = nullptr;
  if (*rank == 2) {
    mask = cast(c, padding, DType::kBool);
  } else {
    ir::Value* lengths =
        c.emit("Unsqueeze", {cast(c, padding, DType::kI64), c.constant_i64s({1}, "axes")});
    mask = c.emit("Less", {positions(c, keys), lengths});
  }
  return c.emit("Unsqueeze", {mask, c.constant_i64s({1, 2}, "axes")});
}

ir::Value* merge_mask(NodeContext& c, ir::Value* mask, ir::Value* bias) {
  if (mask == nullptr || bias == nullptr) return mask != nullptr ? mask : bias;
  const double filter = c.attributes().real("mask_filter_value", -10000);
  ir::Value* added = c.emit(
      "Where", {mask, c.constant_like(0, bias, "zero"), c.constant_like(filter, bias, "filter")});
  return c.emit("Add", {added, bias});
}

void refuse_unless(NodeContext& c, const char* attribute, int64_t plain) {
  const int64_t value = c.attributes().integer(attribute, plain);
  if (value != plain) c.unsupported(concat("attribute ", attribute, " = ", value));
}

void refuse_input(NodeContext& c, int i, const char* what) {
  if (c.input(i) != nullptr) c.unsupported(concat("the input ", what));
}

}  // namespace planish::onnx
