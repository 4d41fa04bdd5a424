// SPDX-License-Identifier: Apache-2.0
// Attention: the projection to queries, keys and values, and ONNX's Attention.
#include "import/onnx/ops/microsoft/blocks.h"

namespace planish::onnx::microsoft_attention {
namespace {

enum Input { kX, kWeights, kBias, kMask, kPast, kAttentionBias, kPastLength };

std::vector<int64_t> hidden_sizes(NodeContext& c) {
  const auto sizes = c.attributes().integers("qkv_hidden_sizes", {});
  c.require(sizes.empty() || sizes.size() == 3, "qkv_hidden_sizes: expected three sizes");
  if (!sizes.empty()) return sizes;
  const auto dims = c.dims(c.required(kWeights));
  if (!dims || dims->size() != 2 || (*dims)[1] % 3 != 0)
    c.unsupported("the weights must be a matrix of known size, three equal parts wide");
  return {(*dims)[1] / 3, (*dims)[1] / 3, (*dims)[1] / 3};
}

// past [2, batch, heads, length, size] -> keys and values
std::vector<ir::Value*> split_past(NodeContext& c) {
  if (c.input(kPast) == nullptr) return {nullptr, nullptr};
  auto parts = split(c, c.input(kPast), {1, 1}, 0);
  for (ir::Value*& part : parts) part = c.emit("Squeeze", {part, c.constant_i64s({0}, "axes")});
  return parts;
}

ir::Value* key_count(NodeContext& c) {
  ir::Value* count = size_of(c, c.required(kX), 1);
  return c.input(kPast) == nullptr ? count : c.emit("Add", {count, size_of(c, c.input(kPast), 3)});
}

ir::Value* stack(NodeContext& c, ir::Value* keys, ir::Value* values) {
  ir::Value* axes = c.constant_i64s({0}, "axes");
  return c.emit("Concat", {c.emit("Unsqueeze", {keys, axes}), c.emit("Unsqueeze", {values, axes})},
                {{"axis", int64_t{0}}});
}

void import_attention(NodeContext& c) {
  refuse_unless(c, "do_rotary", 0);
  refuse_unless(c, "past_present_share_buffer", 0);
  refuse_input(c, kPastLength, "past_sequence_length");
  const int64_t heads = c.attributes().integer("num_heads");
  ir::Value* projected = c.emit("MatMul", {c.required(kX), c.required(kWeights)});
  if (c.input(kBias) != nullptr) projected = c.emit("Add", {projected, c.input(kBias)});
  const auto qkv = split(c, projected, hidden_sizes(c), 2);
  ir::Value* mask =
      c.input(kMask) == nullptr ? nullptr : attention_mask(c, c.input(kMask), key_count(c));
  const auto past = split_past(c);
  Attributes attributes{{"q_num_heads", heads},
                        {"kv_num_heads", heads},
                        {"is_causal", c.attributes().integer("unidirectional", 0)}};
  if (c.attributes().real("scale", 0) != 0) attributes.set("scale", c.attributes().real("scale"));
  const auto made = c.emit_many(
      "Attention",
      {qkv[0], qkv[1], qkv[2], merge_mask(c, mask, c.input(kAttentionBias)), past[0], past[1]},
      c.wants(1) ? 3 : 1, std::move(attributes));
  c.set_output(0, made[0]);
  if (c.wants(1)) c.set_output(1, stack(c, made[1], made[2]));
}

const RegisterImporter kAttention("Attention", import_attention, kMicrosoft);

}  // namespace
}  // namespace planish::onnx::microsoft_attention
