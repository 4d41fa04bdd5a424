// SPDX-License-Identifier: Apache-2.0
// MultiHeadAttention: queries, keys and values, apart or packed, with one bias for all three.
#include "import/onnx/ops/microsoft/blocks.h"

namespace planish::onnx::microsoft_multi_head_attention {
namespace {

enum Input {
  kQuery,
  kKey,
  kValue,
  kBias,
  kPadding,
  kAttentionBias,
  kPastKey,
  kPastValue,
  kPastLength,
  kIndirection
};

struct Operands {
  ir::Value* query;
  ir::Value* key;
  ir::Value* value;
};

// [batch, length, heads, parts, size] -> parts of [batch, length, heads * size]
std::vector<ir::Value*> unpack(NodeContext& c, ir::Value* packed, size_t parts) {
  auto pieces = split(c, packed, std::vector<int64_t>(parts, 1), 3);
  for (ir::Value*& piece : pieces)
    piece = c.emit("Reshape", {piece, c.constant_i64s({0, 0, -1}, "flat")});
  return pieces;
}

// [batch, heads, length, size] -> [batch, length, heads * size]
ir::Value* flatten_heads(NodeContext& c, ir::Value* x) {
  return c.emit("Reshape", {transpose(c, x, {0, 2, 1, 3}), c.constant_i64s({0, 0, -1}, "flat")});
}

Operands read_operands(NodeContext& c) {
  ir::Value* query = c.required(kQuery);
  if (c.input(kKey) == nullptr) {
    const auto all = unpack(c, query, 3);
    return {all[0], all[1], all[2]};
  }
  const auto rank = c.rank(c.input(kKey));
  if (!rank) c.unsupported("the rank of the keys must be known");
  if (*rank == 5) {
    const auto both = unpack(c, c.input(kKey), 2);
    return {query, both[0], both[1]};
  }
  if (*rank == 4)
    return {query, flatten_heads(c, c.input(kKey)), flatten_heads(c, c.required(kValue))};
  return {query, c.input(kKey), c.required(kValue)};
}

// One bias holds those of queries, keys and values, one after another.
void add_bias(NodeContext& c, Operands& x) {
  if (c.input(kBias) == nullptr) return;
  const auto dims = c.dims(c.input(kBias)), query = c.dims(x.query);
  if (!dims || dims->size() != 1) c.unsupported("the bias must have a known size");
  int64_t q = (*dims)[0] / 3;
  if (const Type& type = x.query->type(); type.has_rank() && type.shape->back().is_constant())
    q = type.shape->back().value();
  int64_t k = q;
  const int64_t v = (*dims)[0] - q - k;
  c.require(q > 0 && v > 0, "the bias is too short for queries, keys and values");
  const auto parts = split(c, c.input(kBias), {q, k, v}, 0);
  x.query = c.emit("Add", {x.query, parts[0]});
  // Keys of rank 4 come from a cache that holds their bias already.
  if (const auto rank = c.input(kKey) == nullptr ? std::optional<int>(5) : c.rank(c.input(kKey));
      rank == 4)
    return;
  x.key = c.emit("Add", {x.key, parts[1]});
  x.value = c.emit("Add", {x.value, parts[2]});
}

void import_multi_head_attention(NodeContext& c) {
  refuse_input(c, kPastLength, "past_sequence_length");
  refuse_input(c, kIndirection, "cache_indirection");
  const int64_t heads = c.attributes().integer("num_heads");
  Operands x = read_operands(c);
  add_bias(c, x);
  ir::Value* mask = nullptr;
  if (c.input(kPadding) != nullptr) {
    ir::Value* keys = size_of(c, x.key, 1);
    if (c.input(kPastKey) != nullptr)
      keys = c.emit("Add", {keys, size_of(c, c.input(kPastKey), 2)});
    mask = attention_mask(c, c.input(kPadding), keys);
  }
  Attributes attributes{{"q_num_heads", heads},
                        {"kv_num_heads", heads},
                        {"is_causal", c.attributes().integer("unidirectional", 0)}};
  if (c.attributes().real("scale", 0) != 0) attributes.set("scale", c.attributes().real("scale"));
  const int outputs = c.wants(1) || c.wants(2) ? 3 : 1;
  const auto made =
      c.emit_many("Attention",
                  {x.query, x.key, x.value, merge_mask(c, mask, c.input(kAttentionBias)),
                   c.input(kPastKey), c.input(kPastValue)},
                  outputs, std::move(attributes));
  for (int i = 0; i < outputs; ++i) c.set_output(i, made[static_cast<size_t>(i)]);
  c.drop_output(3, "the scores of MultiHeadAttention");
}

const RegisterImporter kMultiHeadAttention("MultiHeadAttention", import_multi_head_attention,
                                           kMicrosoft);

}  // namespace
}  // namespace planish::onnx::microsoft_multi_head_attention
