// SPDX-License-Identifier: Apache-2.0
#include "passes/layout/heads.h"

#include <cmath>

#include "passes/rewrite.h"

namespace planish::passes {
namespace {

bool swaps_heads(const ir::Node* node) {
  return node != nullptr && node->op() == "Transpose" && node->attributes().has("perm") &&
         node->attributes().integers("perm") == std::vector<int64_t>{0, 2, 1, 3};
}

// [batch, length, heads, size] as [batch, length, heads * size]; null if heads or size are not
// known.
ir::Value* packed(Patch& patch, ir::Value* v) {
  if (!v->type().has_rank() || v->type().shape->size() != 4) return nullptr;
  const Dim width = (*v->type().shape)[2] * (*v->type().shape)[3];
  if (!width.is_constant() || width.value() < 1) return nullptr;
  return patch.add("Reshape", {v, patch.constant(std::vector<int64_t>{0, 0, width.value()})});
}

// Transpose(Attention(Transpose(q), Transpose(k), Transpose(v))) = Reshape(Attention(Reshape(q),
// Reshape(k), Reshape(v)))
bool pack(ir::Node& node, Patch& patch) {
  const ir::Node* attention = producer(node.input(0), "Attention");
  if (!swaps_heads(&node) || attention == nullptr || !node.output()->type().has_rank())
    return false;
  if (attention->inputs().size() > 4 || attention->outputs().size() != 1) return false;
  const Shape& out = *node.output()->type().shape;
  if (out.size() != 4 || !out[2].is_constant() || !out[3].is_constant()) return false;
  for (int i = 0; i < 3; ++i) {
    const ir::Node* turn = producer_any_users(attention->input(i), "Transpose");
    if (!swaps_heads(turn) || !turn->input(0)->type().has_rank()) return false;
    const Shape& in = *turn->input(0)->type().shape;
    if (in.size() != 4 || !in[2].is_constant() || !in[3].is_constant()) return false;
  }
  std::vector<ir::Value*> inputs = attention->inputs();
  for (size_t i = 0; i < 3; ++i) {
    inputs[i] = packed(patch, inputs[i]->producer()->input(0));
    if (inputs[i] == nullptr) return false;
  }
  Attributes attributes = attention->attributes();
  attributes.set("q_num_heads", (*attention->input(0)->type().shape)[1].value());
  attributes.set("kv_num_heads", (*attention->input(1)->type().shape)[1].value());
  ir::Value* y = patch.add("Attention", inputs, std::move(attributes));
  const std::vector<int64_t> apart = {0, 0, out[2].value(), out[3].value()};
  patch.replace(node.output(), patch.add("Reshape", {y, patch.constant(apart)}));
  return true;
}

// A mask of bools adds minus infinity where it is false; one of integers adds them.
bool float_mask(ir::Node& node, Patch& patch) {
  ir::Value* mask = node.inputs().size() > 3 ? node.input(3) : nullptr;
  if (mask == nullptr || node.outputs().size() != 1 || !mask->type().is_tensor() ||
      node.input(0)->type().dtype != DType::kF32 ||
      (mask->type().dtype != DType::kBool && !is_integer(mask->type().dtype)))
    return false;
  std::vector<ir::Value*> inputs = node.inputs();
  inputs[3] = mask->type().dtype == DType::kBool
                  ? patch.add("Where", {mask, patch.constant(0.0F), patch.constant(-HUGE_VALF)})
                  : patch.add("Cast", {mask}, {{"to", static_cast<int64_t>(DType::kF32)}});
  patch.replace(node.output(), patch.add("Attention", inputs, node.attributes()));
  return true;
}

constexpr Rule kMasks[] = {{"float-mask", "Attention", float_mask}};

constexpr Rule kRules[] = {{"pack-heads", "Transpose", pack}};

}  // namespace

bool pack_heads(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRules, context);
}

bool use_float_masks(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kMasks, context);
}

}  // namespace planish::passes
