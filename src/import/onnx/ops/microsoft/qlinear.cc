// SPDX-License-Identifier: Apache-2.0
// QLinearAdd, QLinearMul and the other pointwise and pooling ops on quantised tensors.
#include "import/onnx/ops/microsoft/qlinear.h"

#include "base/str.h"

namespace planish::onnx {

ir::Value* dequantize(NodeContext& c, int i) {
  return c.emit("DequantizeLinear", {c.required(i), c.required(i + 1), c.input(i + 2)});
}

void quantize_output(NodeContext& c, ir::Value* y, int i, ir::Value* like) {
  ir::Value* zero = c.input(i + 1);
  if (zero == nullptr) zero = c.constant_like(0, like, "zero_point");
  c.set_output(0, c.emit("QuantizeLinear", {y, c.required(i), zero}));
}

namespace microsoft_qlinear {
namespace {

void import_binary(NodeContext& c) {
  const std::string op = c.op().substr(std::string("QLinear").size());
  quantize_output(c, c.emit(op, {dequantize(c, 0), dequantize(c, 3)}), 6, c.required(0));
}

void import_unary(NodeContext& c) {
  const std::string op = c.op().substr(std::string("QLinear").size());
  quantize_output(c, c.emit(op, {dequantize(c, 0)}, c.attributes()), 3, c.required(0));
}

void import_softmax(NodeContext& c) {
  const int64_t axis = c.attributes().integer("axis", -1);
  ir::Value* x = dequantize(c, 0);
  if (c.attributes().integer("opset", 13) >= 13) {
    quantize_output(c, c.emit("Softmax", {x}, {{"axis", axis}}), 3, c.required(0));
    return;
  }
  ir::Value* flat = c.emit("Flatten", {x}, {{"axis", axis}});
  ir::Value* y = c.emit("Softmax", {flat}, {{"axis", int64_t{-1}}});
  quantize_output(c, c.emit("Reshape", {y, c.emit("Shape", {x})}), 3, c.required(0));
}

// Pooling ops may keep their channels last.
ir::Value* pool(NodeContext& c, const std::string& op, Attributes attributes) {
  const bool channels_last = attributes.integer("channels_last", 0) != 0;
  attributes.erase("channels_last");
  ir::Value* x = dequantize(c, 0);
  if (!channels_last) return c.emit(op, {x}, std::move(attributes));
  const auto rank = c.rank(c.required(0));
  if (!rank || *rank < 3) c.unsupported("with channels last the rank must be known");
  std::vector<int64_t> first{0, *rank - 1}, last{0};
  for (int64_t i = 1; i < *rank - 1; ++i) first.push_back(i);
  for (int64_t i = 2; i < *rank; ++i) last.push_back(i);
  last.push_back(1);
  return transpose(c, c.emit(op, {transpose(c, x, first)}, std::move(attributes)), last);
}

void import_pool(NodeContext& c) {
  const std::string op = c.op().substr(std::string("QLinear").size());
  quantize_output(c, pool(c, op, c.attributes()), 3, c.required(0));
}

// Inputs: scale and zero point of the output, then three for each tensor.
void import_concat(NodeContext& c) {
  std::vector<ir::Value*> parts;
  for (int i = 2; i < c.input_count(); i += 3) parts.push_back(dequantize(c, i));
  c.require(!parts.empty(), "there is nothing to concatenate");
  quantize_output(c, c.emit("Concat", std::move(parts), {{"axis", c.attributes().integer("axis")}}),
                  0, c.required(2));
}

// Inputs: condition, three for X, three for Y, scale and zero point of the output.
void import_where(NodeContext& c) {
  quantize_output(c, c.emit("Where", {c.required(0), dequantize(c, 1), dequantize(c, 4)}), 7,
                  c.required(1));
}

void import_reduce_mean(NodeContext& c) {
  ir::Value* axes = c.attributes().has("axes")
                        ? c.constant_i64s(c.attributes().integers("axes"), "axes")
                        : nullptr;
  ir::Value* y = c.emit("ReduceMean", {dequantize(c, 0), axes},
                        {{"keepdims", c.attributes().integer("keepdims", 1)}});
  quantize_output(c, y, 3, c.required(0));
}

void import_conv(NodeContext& c) {
  refuse_unless(c, "channels_last", 0);
  c.attributes().erase("channels_last");
  c.finish("QLinearConv", c.inputs(), c.attributes());
}

// As ONNX's ops of the same name, for more types.
void import_same(NodeContext& c) { c.finish(c.op(), c.inputs(), c.attributes()); }

const RegisterImporter kAdd("QLinearAdd", import_binary, kMicrosoft);
const RegisterImporter kMul("QLinearMul", import_binary, kMicrosoft);
const RegisterImporter kSigmoid("QLinearSigmoid", import_unary, kMicrosoft);
const RegisterImporter kLeakyRelu("QLinearLeakyRelu", import_unary, kMicrosoft);
const RegisterImporter kSoftmax("QLinearSoftmax", import_softmax, kMicrosoft);
const RegisterImporter kAveragePool("QLinearAveragePool", import_pool, kMicrosoft);
const RegisterImporter kGlobalAveragePool("QLinearGlobalAveragePool", import_pool, kMicrosoft);
const RegisterImporter kConcat("QLinearConcat", import_concat, kMicrosoft);
const RegisterImporter kWhere("QLinearWhere", import_where, kMicrosoft);
const RegisterImporter kReduceMean("QLinearReduceMean", import_reduce_mean, kMicrosoft);
const RegisterImporter kConv("QLinearConv", import_conv, kMicrosoft);
const RegisterImporter kQuantize("QuantizeLinear", import_same, kMicrosoft);
const RegisterImporter kDequantize("DequantizeLinear", import_same, kMicrosoft);

}  // namespace
}  // namespace microsoft_qlinear
}  // namespace planish::onnx
