// SPDX-License-Identifier: Apache-2.0
// Attention in its forms, rotary embedding and the causal convolution.
#include <gtest/gtest.h>

#include <cmath>

#include "support/op_case.h"
#include "tensor/elements.h"

namespace planish::test {
namespace {

constexpr auto kShape = ErrorCode::kInvalidShape;
constexpr auto kValue = ErrorCode::kInvalidValue;
constexpr auto kModel = ErrorCode::kInvalidModel;

// One head of size 1: scores are products.
Tensor row(const std::vector<double>& v) {
  return f32({1, 1, static_cast<int64_t>(v.size()), 1}, v);
}

// size: one table of cases
TEST(AttentionOps, Attention) {
  const Tensor zero = row({0, 0}), v = row({1, 3});
  check_cases({
      {"mean", "Attention", {}, {row({0}), zero, v}, {row({2})}},
      {"scaled", "Attention", {{"scale", std::log(3.0)}}, {row({1}), row({0, 1}), v}, {row({2.5})}},
      {"causal", "Attention", {{"is_causal", int64_t{1}}}, {zero, zero, v}, {row({1, 2})}},
      {"bool mask", "Attention", {}, {row({0}), zero, v, boolean({1, 2}, {0, 1})}, {row({3})}},
      {"float mask",
       "Attention",
       {},
       {row({0}), zero, v, f32({2}, {std::log(3.0), 0})},
       {row({1.5})}},
      {"a short mask", "Attention", {}, {row({0}), zero, v, f32({1, 1}, {0})}, {row({1})}},
      {"nothing to attend",
       "Attention",
       {},
       {row({0}), zero, v, boolean({1, 2}, {0, 0})},
       {row({0})}},
      {"padding",
       "Attention",
       {},
       {row({0}), zero, v, kAbsent, kAbsent, kAbsent, i64({1}, {1})},
       {row({1})}},
      {"cache",
       "Attention",
       {{"is_causal", int64_t{1}}},
       {row({0}), row({5}), row({9}), kAbsent, row({6}), row({1})},
       {row({5}), row({6, 5}), row({1, 9})}},
      {"shared heads, scores",
       "Attention",
       {{"scale", 1.0}},
       {f32({1, 2, 1, 1}, {1, 2}), row({3}), row({7})},
       {f32({1, 2, 1, 1}, {7, 7}), kAbsent, kAbsent, f32({1, 2, 1, 1}, {3, 6})}},
      {"packed heads",
       "Attention",
       {{"q_num_heads", int64_t{2}}, {"kv_num_heads", int64_t{2}}},
       {f32({1, 1, 2}, {0, 0}), f32({1, 2, 2}, {0, 0, 0, 0}), f32({1, 2, 2}, {1, 10, 3, 30})},
       {f32({1, 1, 2}, {2, 20})}},
      {"soft cap",
       "Attention",
       {{"scale", 1.0}, {"softcap", 2.0}, {"qk_matmul_output_mode", int64_t{1}}},
       {row({1}), row({4}), row({1})},
       {row({1}), kAbsent, kAbsent, row({2 * std::tanh(2.0)})}},
      {"no queries", "Attention", {}, {f32({1, 1, 0, 1}, {}), zero, v}, {f32({1, 1, 0, 1}, {})}},
      {"no keys",
       "Attention",
       {},
       {row({1}), f32({1, 1, 0, 1}, {}), f32({1, 1, 0, 1}, {})},
       {row({0})}},
      {"heads",
       "Attention",
       {},
       {f32({1, 3, 1, 1}, {0, 0, 0}), f32({1, 2, 1, 1}, {0, 0}), f32({1, 2, 1, 1}, {0, 0})},
       {},
       kShape,
       "multiple of 2"},
      {"ranks", "Attention", {}, {row({0}), f32({1, 2, 1}, {0, 0}), v}, {}, kShape, "all of rank"},
      {"without counts",
       "Attention",
       {},
       {f32({1, 1, 2}, {0, 0}), f32({1, 1, 2}, {0, 0}), f32({1, 1, 2}, {0, 0})},
       {},
       kModel,
       "q_num_heads"},
      {"half a cache",
       "Attention",
       {},
       {row({0}), zero, v, kAbsent, row({1})},
       {},
       kModel,
       "past_value"},
      {"mask",
       "Attention",
       {},
       {row({0}), zero, v, f32({3, 2}, {0, 0, 0, 0, 0, 0})},
       {},
       kShape,
       "attn_mask"},
      {"padding beyond",
       "Attention",
       {},
       {row({0}), zero, v, kAbsent, kAbsent, kAbsent, i64({1}, {3})},
       {},
       kValue,
       "from 0 to 2"},
  });
}

TEST(AttentionOps, GroupQuery) {
  const std::string op = "com.microsoft.GroupQueryAttention";
  auto with = [](std::initializer_list<std::pair<const std::string, Attribute>> more) {
    Attributes a(more);
    for (const char* name : {"num_heads", "kv_num_heads"})
      if (!a.has(name)) a.set(name, int64_t{1});
    return a;
  };
  auto tokens = [](const std::vector<double>& v) {
    return f32({1, static_cast<int64_t>(v.size()), 1}, v);
  };
  const Tensor total = i32({}, {2}), end = i32({1}, {1});
  check_cases({
      {"a prompt",
       op,
       with({}),
       {tokens({0, 0}), tokens({0, 0}), tokens({1, 3}), kAbsent, kAbsent, end, total},
       {tokens({1, 2}), row({0, 0}), row({1, 3})}},
      {"a step in a longer cache",
       op,
       with({}),
       {tokens({0}), tokens({5}), tokens({9}), row({6, 7, 7}), row({1, 7, 7}), end, total},
       {tokens({5}), row({6, 5, 0}), row({1, 9, 0})}},
      {"packed, shared heads",
       op,
       with({{"num_heads", int64_t{2}}, {"scale", 1.0}}),
       {f32({1, 1, 4}, {1, 2, 3, 7}), kAbsent, kAbsent, kAbsent, kAbsent, i32({1, 1}, {0}),
        i32({}, {1})},
       {f32({1, 1, 2}, {7, 7}), row({3}), row({7})}},
      {"a window",
       op,
       with({{"local_window_size", int64_t{1}}}),
       {tokens({0, 0}), tokens({0, 0}), tokens({1, 3}), kAbsent, kAbsent, end, total},
       {tokens({1, 3}), row({0, 0}), row({1, 3})}},
      {"smooth",
       op,
       with({{"smooth_softmax", int64_t{1}}}),
       {tokens({0}), tokens({0}), tokens({4}), kAbsent, kAbsent, i32({1}, {0}), i32({}, {1})},
       {tokens({2}), row({0}), row({4})}},
      {"rotated",
       op,
       with({{"do_rotary", int64_t{1}}, {"scale", 1.0}}),
       {f32({1, 1, 2}, {1, 2}), f32({1, 1, 2}, {3, 4}), f32({1, 1, 2}, {5, 6}), kAbsent, kAbsent,
        i32({1}, {0}), i32({}, {1}), f32({1, 1}, {0}), f32({1, 1}, {1})},
       {f32({1, 1, 2}, {5, 6}), f32({1, 1, 1, 2}, {-4, 3}), f32({1, 1, 1, 2}, {5, 6})}},
      {"too long",
       op,
       with({}),
       {tokens({0}), tokens({5}), tokens({9}), row({6}), row({1}), i32({1}, {7}), total},
       {},
       kValue,
       "does not fit"},
      {"negative length",
       op,
       with({}),
       {tokens({0}), tokens({5}), tokens({9}), row({6}), row({1}), i32({1}, {-5}), total},
       {},
       kValue,
       "does not fit"},
      {"heads",
       op,
       with({{"kv_num_heads", int64_t{2}}}),
       {tokens({0}), tokens({5}), tokens({9}), kAbsent, kAbsent, end, total},
       {},
       kModel,
       "multiple of"},
  });
}

TEST(AttentionOps, Flex) {
  auto doubled = [](std::vector<Datum> in) -> std::vector<Datum> {
    Tensor t = in[0].tensor().clone();
    std::vector<double> values = load<double>(t);
    for (double& v : values) v *= 2;
    store(t, values);
    return {t};
  };
  const Attributes scale{{"scale", std::log(3.0) / 2}};
  check_cases({
      {"plain",
       "ai.onnx.preview.FlexAttention",
       {},
       {row({0}), row({0, 0}), row({1, 3})},
       {row({2})}},
      {.name = "scores",
       .op = "ai.onnx.preview.FlexAttention",
       .attributes = scale,
       .inputs = {row({1}), row({0, 1}), row({1, 3})},
       .outputs = {row({2.5})},
       .subgraphs = {{"score_mod", doubled}}},
      {.name = "probabilities",
       .op = "ai.onnx.preview.FlexAttention",
       .inputs = {row({0}), row({0, 0}), row({1, 3})},
       .outputs = {row({4})},
       .subgraphs = {{"prob_mod", doubled}}},
  });
}

TEST(AttentionOps, Linear) {
  auto with = [](std::string rule) {
    return Attributes{{"update_rule", std::move(rule)},
                      {"q_num_heads", int64_t{1}},
                      {"kv_num_heads", int64_t{1}},
                      {"scale", 1.0}};
  };
  const Tensor q = f32({1, 2, 1}, {1, 1}), k = f32({1, 2, 1}, {1, 2}), v = f32({1, 2, 1}, {3, 4});
  const Tensor state = f32({1, 1, 1, 1}, {10}), decay = f32({1, 2, 1}, {std::log(0.5), 0}),
               beta = f32({1, 2, 1}, {1, 0.5});
  check_cases({
      {"linear",
       "LinearAttention",
       with("linear"),
       {q, k, v},
       {f32({1, 2, 1}, {3, 11}), f32({1, 1, 1, 1}, {11})}},
      {"gated",
       "LinearAttention",
       with("gated"),
       {q, k, v, state, decay},
       {f32({1, 2, 1}, {8, 16}), f32({1, 1, 1, 1}, {16})}},
      {"delta",
       "LinearAttention",
       with("delta"),
       {q, k, v, state, kAbsent, beta},
       {f32({1, 2, 1}, {3, 1}), f32({1, 1, 1, 1}, {1})}},
      {"gated delta",
       "LinearAttention",
       with("gated_delta"),
       {q, k, v, state, decay, beta},
       {f32({1, 2, 1}, {3, 1}), f32({1, 1, 1, 1}, {1})}},
      {"without decay", "LinearAttention", with("gated"), {q, k, v}, {}, kModel, "decay"},
      {"rule", "LinearAttention", with("square"), {q, k, v}, {}, kModel, "square"},
  });
}

TEST(AttentionOps, RotaryAndCausalConvolution) {
  const Tensor x = f32({1, 1, 1, 4}, {1, 2, 3, 4}), c = f32({1, 1, 2}, {0, 1}),
               s = f32({1, 1, 2}, {1, 0});
  const Tensor line = f32({1, 1, 3}, {1, 2, 3}), w = f32({1, 1, 2}, {10, 1});
  check_cases({
      {"halves", "RotaryEmbedding", {}, {x, c, s}, {f32({1, 1, 1, 4}, {-3, 2, 1, 4})}},
      {"pairs",
       "RotaryEmbedding",
       {{"interleaved", int64_t{1}}},
       {x, c, s},
       {f32({1, 1, 1, 4}, {-2, 1, 3, 4})}},
      {"a part",
       "RotaryEmbedding",
       {{"rotary_embedding_dim", int64_t{2}}},
       {x, f32({1, 1, 1}, {0}), f32({1, 1, 1}, {1})},
       {f32({1, 1, 1, 4}, {-2, 1, 3, 4})}},
      {"positions",
       "RotaryEmbedding",
       {{"num_heads", int64_t{1}}},
       {f32({1, 2, 2}, {1, 2, 3, 4}), f32({2, 1}, {1, 0}), f32({2, 1}, {0, 1}),
        i64({1, 2}, {1, 0})},
       {f32({1, 2, 2}, {-2, 1, 3, 4})}},
      {"no such position",
       "RotaryEmbedding",
       {},
       {x, f32({1, 2}, {0, 1}), f32({1, 2}, {1, 0}), i64({1, 1}, {5})},
       {},
       kValue,
       "5 is outside"},
      {"odd part",
       "RotaryEmbedding",
       {{"rotary_embedding_dim", int64_t{3}}},
       {x, c, s},
       {},
       kModel,
       "even"},
      {"causal",
       "CausalConvWithState",
       {},
       {line, w, f32({1}, {100})},
       {f32({1, 1, 3}, {101, 112, 123}), f32({1, 1, 1}, {3})}},
      {"carried on",
       "CausalConvWithState",
       {},
       {line, w, kAbsent, f32({1, 1, 1}, {7})},
       {f32({1, 1, 3}, {71, 12, 23}), f32({1, 1, 1}, {3})}},
      {"shorter than the state",
       "CausalConvWithState",
       {},
       {f32({1, 1, 1}, {5}), f32({1, 1, 3}, {1, 1, 1}), kAbsent, f32({1, 1, 2}, {8, 9})},
       {f32({1, 1, 1}, {22}), f32({1, 1, 2}, {9, 5})}},
      {"silu",
       "CausalConvWithState",
       {{"activation", "silu"}},
       {f32({1, 1, 1}, {1}), f32({1, 1, 1}, {1})},
       {f32({1, 1, 1}, {1 / (1 + std::exp(-1.0))})}},
      {"state",
       "CausalConvWithState",
       {},
       {line, w, kAbsent, f32({1, 1, 2}, {7, 7})},
       {},
       kShape,
       "input 3"},
  });
}

}  // namespace
}  // namespace planish::test
