// SPDX-License-Identifier: Apache-2.0
// GroupQueryAttention: causal attention over a cache that every sample of the batch fills to its
// own length.
//
// With write[b] = max(0, seqlens_k[b] + 1 - length), the new keys and values go to the cache from
// write[b] on, and query i of sample b sees key j if j <= write[b] + i and j <= seqlens_k[b].
#include <optional>

#include "import/onnx/ops/microsoft/rotary.h"

namespace planish::onnx::microsoft_group_query_attention {
namespace {

enum Input {
  kQuery,
  kKey,
  kValue,
  kPastKey,
  kPastValue,
  kLastKeys,
  kTotal,
  kCos,
  kSin,
  kPositions,
  kBias,
  kSink
};

struct Heads {
  ir::Value* query;  // [batch, heads, length, size] each
  ir::Value* key;
  ir::Value* value;
};

// The size of the last axis, if it is known.
std::optional<int64_t> width_of(NodeContext& c, ir::Value* x) {
  if (!c.rank(x) || x->type().shape->empty()) return std::nullopt;
  return x->type().shape->back().constant();
}

class GroupQuery {
 public:
  explicit GroupQuery(NodeContext& c)
      : c_(c),
        heads_(c.attributes().integer("num_heads")),
        kv_heads_(c.attributes().integer("kv_num_heads")) {
    c.require(heads_ > 0 && kv_heads_ > 0, "num_heads and kv_num_heads must be positive");
  }

  void run() {
    Heads x = read_heads();
    length_ = size_of(c_, x.query, 2);
    const auto axes = c_.constant_i64s({-1}, "axes");
    ir::Value* last = c_.emit("Reshape", {cast(c_, c_.required(kLastKeys), DType::kI64), axes});
    ir::Value* begin = c_.emit("Sub", {c_.emit("Add", {last, c_.constant_i64(1, "one")}), length_});
    write_ = c_.emit("Max", {begin, c_.constant_i64(0, "zero")});
    // [batch, length]: where each new token stands.
    places_ = c_.emit("Add", {c_.emit("Unsqueeze", {write_, axes}), positions(c_, length_)});
    if (c_.attributes().integer("do_rotary", 0) != 0) turn(x);
    ir::Value* keys = fill(c_.input(kPastKey), x.key);
    ir::Value* values = fill(c_.input(kPastValue), x.value);
    Attributes attributes;
    for (const char* name : {"scale", "softcap"})
      if (c_.attributes().real(name, 0) != 0) attributes.set(name, c_.attributes().real(name));
    ir::Value* mask = merge_mask(c_, visible(last, size_of(c_, keys, 2)), c_.input(kBias));
    ir::Value* y = c_.emit("Attention", {x.query, keys, values, mask}, std::move(attributes));
    c_.set_output(0, c_.emit("Reshape", {transpose(c_, y, {0, 2, 1, 3}),
                                         c_.constant_i64s({0, 0, -1}, "flat")}));
    c_.set_output(1, keys);
    c_.set_output(2, values);
  }

 private:
  ir::Value* to_heads(ir::Value* x, int64_t heads) {
    ir::Value* apart = c_.emit("Reshape", {x, c_.constant_i64s({0, 0, heads, -1}, "heads")});
    return transpose(c_, apart, {0, 2, 1, 3});
  }

  Heads read_heads() {
    if (c_.input(kKey) != nullptr)
      return {to_heads(c_.required(kQuery), heads_), to_heads(c_.input(kKey), kv_heads_),
              to_heads(c_.required(kValue), kv_heads_)};
    const int64_t size = *width_of(c_, c_.required(kQuery)) / (heads_ + 2 * kv_heads_);
    const auto parts =
        split(c_, c_.input(kQuery), {heads_ * size, kv_heads_ * size, kv_heads_ * size}, 2);
    return {to_heads(parts[0], heads_), to_heads(parts[1], kv_heads_),
            to_heads(parts[2], kv_heads_)};
  }

  void turn(Heads& x) {
    const bool interleaved = c_.attributes().integer("rotary_interleaved", 0) != 0;
    const int64_t half = *width_of(c_, c_.required(kCos));
    ir::Value* places = c_.input(kPositions) != nullptr ? c_.input(kPositions) : places_;
    for (ir::Value** part : {&x.query, &x.key})
      *part =
          rotate(c_, *part, c_.required(kCos), c_.required(kSin), places, 0, interleaved, 2 * half);
  }

  // The cache, long enough for the longest sample, with the new rows.
  ir::Value* fill(ir::Value* past, ir::Value* fresh) {
    ir::Value* total = c_.emit(
        "Reshape", {cast(c_, c_.required(kTotal), DType::kI64), c_.constant_i64s({1}, "one")});
    ir::Value* rows = past != nullptr ? past : fresh;
    ir::Value* need = c_.emit("Max", {total, length_});
    ir::Value* have = size_of(c_, rows, 2);
    ir::Value* missing = c_.emit("Max", {c_.emit("Sub", {need, have}), c_.constant_i64(0, "zero")});
    ir::Value* pads = c_.emit(
        "Concat",
        {c_.constant_i64s({0, 0, 0, 0, 0, 0}, "before"), missing, c_.constant_i64s({0}, "after")},
        {{"axis", int64_t{0}}});
    ir::Value* cache = c_.emit("Pad", {rows, pads});
    return past == nullptr
               ? cache
               : c_.emit("TensorScatter", {cache, fresh, write_}, {{"axis", int64_t{2}}});
  }

  // [batch, 1, length, total]
  ir::Value* visible(ir::Value* last, ir::Value* total) {
    ir::Value* key = positions(c_, total);
    ir::Value* place = c_.emit("Unsqueeze", {places_, c_.constant_i64s({1, 3}, "axes")});
    ir::Value* end = c_.emit("Unsqueeze", {last, c_.constant_i64s({1, 2, 3}, "axes")});
    ir::Value* mask =
        c_.emit("And", {c_.emit("LessOrEqual", {key, place}), c_.emit("LessOrEqual", {key, end})});
    const int64_t window = c_.attributes().integer("local_window_size", -1);
    if (window <= 0) return mask;
    ir::Value* first = c_.emit("Sub", {place, c_.constant_i64(window, "window")});
    return c_.emit("And", {mask, c_.emit("Greater", {key, first})});
  }

  NodeContext& c_;
  int64_t heads_, kv_heads_;
  ir::Value* length_ = nullptr;  // int64[1]
  ir::Value* write_ = nullptr;   // int64[batch]
  ir::Value* places_ = nullptr;  // int64[batch, length]
};

void import_group_query_attention(NodeContext& c) {
  refuse_input(c, kSink, "head_sink");
  refuse_unless(c, "qk_output", 0);
  for (const char* name : {"k_quant_type", "v_quant_type"})
    if (c.attributes().text(name, "NONE") != "NONE") c.unsupported("a quantised cache");
  const bool is_packed = c.input(kKey) == nullptr,
             turns = c.attributes().integer("do_rotary", 0) != 0;
  const bool is_smooth = c.attributes().integer("smooth_softmax", 0) > 0;
  if (is_smooth || (is_packed && !width_of(c, c.required(kQuery))) ||
      (turns && !width_of(c, c.required(kCos)))) {
    c.finish();
    return;
  }
  GroupQuery(c).run();
  c.drop_output(3, "the scores of GroupQueryAttention");
}

const RegisterImporter kGroupQueryAttention("GroupQueryAttention", import_group_query_attention,
                                            kMicrosoft);

}  // namespace
}  // namespace planish::onnx::microsoft_group_query_attention
