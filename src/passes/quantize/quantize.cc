// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/quantize.h"

#include <algorithm>

#include "passes/layout/transposes.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::passes {
namespace {

bool is_byte(const ir::Value* v) {
  return v != nullptr && v->type().is_tensor() &&
         (v->type().dtype == DType::kU8 || v->type().dtype == DType::kI8);
}

bool has_one_element(const ir::Value* v) {
  return v == nullptr || (v->type().has_rank() && product(*v->type().shape) == Dim(1));
}

bool is_float_constant(const ir::Value* v) {
  return v != nullptr && v->is_constant() && v->constant().dtype() == DType::kF32;
}

// The attributes of a Quantize- or DequantizeLinear whose data are transposed by `perm` after it
// (not before it); nothing if blocks are in the way.
std::optional<Attributes> moved_axis(const ir::Node& node, const Perm& perm, bool after) {
  Attributes attributes = node.attributes();
  if (attributes.integer("block_size", 0) != 0) return std::nullopt;
  if (has_one_element(node.input(1)) && has_one_element(node.input(2))) return attributes;
  const auto rank = static_cast<int64_t>(perm.size());
  int64_t axis = attributes.integer("axis", 1);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) return std::nullopt;
  if (after)
    axis = perm[static_cast<size_t>(axis)];
  else
    axis = std::find(perm.begin(), perm.end(), axis) - perm.begin();
  attributes.set("axis", axis);
  return attributes;
}

// Q(Transpose(x)) = Transpose(Q(x)), of both ops
bool sink_transpose(ir::Node& node, Patch& patch) {
  const ir::Value* x = node.input(0);
  const Perm perm = permutation(x->producer());
  if (perm.empty()) return false;
  const auto attributes = moved_axis(node, perm, true);
  if (!attributes) return false;
  std::vector<ir::Value*> inputs = node.inputs();
  inputs[0] = x->producer()->input(0);
  patch.replace(node.output(), patch.add("Transpose", {patch.add(node.op(), inputs, *attributes)},
                                         {{"perm", perm}}));
  return true;
}

// Transpose(DequantizeLinear(x)) = DequantizeLinear(Transpose(x))
bool raise_transpose(ir::Node& node, Patch& patch, bool constants_only) {
  const Perm perm = permutation(&node);
  const ir::Node* back = producer_any_users(node.input(0), "DequantizeLinear");
  if (perm.empty() || back == nullptr || !is_byte(back->input(0))) return false;
  if (constants_only && !back->input(0)->is_constant()) return false;
  const auto attributes = moved_axis(*back, perm, false);
  if (!attributes) return false;
  std::vector<ir::Value*> inputs = back->inputs();
  inputs[0] = patch.add("Transpose", {inputs[0]}, {{"perm", perm}});
  patch.replace(node.output(), patch.add("DequantizeLinear", inputs, *attributes));
  return true;
}

bool raise_transpose_of_constant(ir::Node& node, Patch& patch) {
  return raise_transpose(node, patch, true);
}
bool raise_any_transpose(ir::Node& node, Patch& patch) {
  return raise_transpose(node, patch, false);
}

// Zero points of weights, as many as there are scales.
ir::Value* as_many_as(Patch& patch, ir::Value* zero, const Tensor& scale) {
  if (zero->constant().count() == scale.count()) return zero;
  Tensor t(zero->constant().dtype(), scale.dims());
  std::fill_n(t.data(), t.count(), zero->constant().data()[0]);
  return patch.constant(std::move(t));
}

// The inputs of QLinearConv and QLinearMatMul: data, scale, zero point, and the same of the second
// factor and of the result.
bool has_plain_quantization(const ir::Node& node) {
  for (int i : {0, 3}) {
    if (!is_byte(node.input(i)) || !node.input(i)->type().has_rank()) return false;
    const ir::Value* scale = node.input(i + 1);
    const ir::Value* zero = node.input(i + 2);
    if (!is_float_constant(scale) || !is_byte(zero) || !zero->is_constant()) return false;
    if (zero->constant().count() != 1 && zero->constant().count() != scale->constant().count())
      return false;
  }
  return node.input(3)->is_constant() && node.input(1)->constant().count() == 1 &&
         node.input(2)->constant().count() == 1 && is_byte(node.output()) &&
         is_float_constant(node.input(6)) && node.input(6)->constant().count() == 1 &&
         node.input(7)->is_constant() && node.input(7)->constant().count() == 1 &&
         node.input(4)->constant().rank() <= 1;
}

ir::Value* scalar(Patch& patch, const ir::Value* v) {
  return patch.constant(v->constant().reshaped({}));
}

// QLinearConv(x, w, b) = Q(Conv(DQ(x), DQ(w), b x_scale w_scale)); QLinearMatMul alike
bool spell_out(ir::Node& node, Patch& patch) {
  if (!has_plain_quantization(node)) return false;
  const bool is_conv = node.op() == "QLinearConv";
  const auto rank = static_cast<int64_t>(node.input(3)->type().shape->size());
  const Tensor& w_scale = node.input(4)->constant();
  if (!is_conv && rank != 2) return false;
  ir::Value* x = patch.add("DequantizeLinear", {node.input(0), scalar(patch, node.input(1)),
                                                scalar(patch, node.input(2))});
  ir::Value* w = patch.add(
      "DequantizeLinear", {node.input(3), node.input(4), as_many_as(patch, node.input(5), w_scale)},
      {{"axis", int64_t{is_conv ? 0 : 1}}});
  std::vector<ir::Value*> factors = {x, w};
  if (const ir::Value* b = is_conv ? node.input(8) : nullptr) {
    if (!b->is_constant() || b->constant().dtype() != DType::kI32) return false;
    const std::vector<double> integers = load<double>(b->constant());
    Tensor bias(DType::kF32, b->constant().dims());
    const auto x_scale = element<float>(node.input(1)->constant(), 0);
    for (int64_t i = 0; i < bias.count(); ++i) {
      const float own = x_scale * element<float>(w_scale, w_scale.count() == 1 ? 0 : i);
      bias.as<float>()[i] =
          static_cast<float>(integers[static_cast<size_t>(i)] * static_cast<double>(own));
    }
    factors.push_back(patch.constant(std::move(bias)));
  }
  ir::Value* y =
      patch.add(is_conv ? "Conv" : "MatMul", factors, is_conv ? node.attributes() : Attributes());
  patch.replace(node.output(), patch.add("QuantizeLinear", {y, scalar(patch, node.input(6)),
                                                            scalar(patch, node.input(7))}));
  return true;
}

// ConvInteger(x) = Transpose(ConvIntegerNhwc(Transpose(x)))
bool integer_channels_last(ir::Node& node, Patch& patch) {
  const ir::Value* x = node.input(0);
  const ir::Value* w = node.input(1);
  if (!x->type().has_rank() || !w->is_constant() || node.attributes().integer("group", 1) != 1)
    return false;
  const size_t rank = x->type().shape->size();
  if (rank < 3 || rank > 5) return false;
  put_channels_last(node, rank, patch);
  return true;
}

constexpr Rule kSpellOut[] = {{"spell-out-qlinear-conv", "QLinearConv", spell_out},
                              {"spell-out-qlinear-mat-mul", "QLinearMatMul", spell_out}};
constexpr Rule kChannelsLast[] = {
    {"conv-integer-channels-last", "ConvInteger", integer_channels_last}};
constexpr Rule kSink[] = {
    {"sink-transpose-quantize", "QuantizeLinear", sink_transpose},
    {"sink-transpose-dequantize", "DequantizeLinear", sink_transpose},
    {"raise-transpose-of-constant", "Transpose", raise_transpose_of_constant}};
constexpr Rule kRaise[] = {{"raise-transpose-dequantize", "Transpose", raise_any_transpose}};

// What a chain of transposes begins with.
const ir::Node* source(const ir::Value* v) {
  const ir::Node* node = v == nullptr ? nullptr : v->producer();
  while (node != nullptr && node->op() == "Transpose") node = node->input(0)->producer();
  return node;
}

bool is_factor(const ir::Value* v, int depth) {
  return std::any_of(v->uses().begin(), v->uses().end(), [&](const ir::Use& use) {
    if (use.node == nullptr) return false;
    const std::string& op = use.node->op();
    if (op == "Transpose" && depth > 0) return is_factor(use.node->output(), depth - 1);
    if (use.index != 1 ||
        (op != "Conv" && op != "planish.ConvNhwc" && op != "MatMul" && op != "Gemm"))
      return false;
    const ir::Node* other = source(use.node->input(0));
    return other != nullptr && other->op() == "DequantizeLinear";
  });
}

}  // namespace

bool is_quantized_weight(const ir::Node& node) {
  return node.op() == "DequantizeLinear" && is_byte(node.input(0)) &&
         node.input(0)->is_constant() && is_float_constant(node.input(1)) &&
         node.attributes().integer("block_size", 0) == 0 && is_factor(node.output(), 2);
}

bool spell_out_quantized(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kSpellOut, context);
}

bool use_integer_channels_last(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kChannelsLast, context);
}

bool sink_transposes_below_quantization(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kSink, context);
}

bool raise_transposes_above_dequantization(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRaise, context);
}

}  // namespace planish::passes
