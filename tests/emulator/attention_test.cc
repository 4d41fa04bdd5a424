// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/kernels/attention.cuh"

#include "emulator/kernel_case.h"

namespace planish::emulator {
namespace {

struct Problem {
  int batches, heads, kv_heads, queries, keys, head, head_v;
  bool causal = false;
  int offset = 0, window = 0;
  double softcap = 0;
  std::vector<double> lengths;  // empty: all keys
};

// mask(b, h, i, j) is added to the logits.
template <class Mask>
std::vector<double> attend(const Problem& q, const std::vector<double>& x,
                           const std::vector<double>& k, const std::vector<double>& v, double scale,
                           Mask mask) {
  std::vector<double> y;
  for (int b = 0; b < q.batches; ++b)
    for (int h = 0; h < q.heads; ++h)
      for (int i = 0; i < q.queries; ++i) {
        const int kv = b * q.kv_heads + h / (q.heads / q.kv_heads);
        std::vector<double> sums(q.head_v, 0.0), logits(q.keys, -HUGE_VAL);
        for (int j = 0; j < q.keys; ++j) {
          if (!q.lengths.empty() && j >= q.lengths[b]) continue;
          if (q.causal && (j > i + q.offset || (q.window > 0 && j <= i + q.offset - q.window)))
            continue;
          double dot = 0;
          for (int d = 0; d < q.head; ++d) {
            dot += x[((b * q.heads + h) * q.queries + i) * q.head + d] *
                   k[(kv * q.keys + j) * q.head + d];
          }
          dot *= scale;
          if (q.softcap > 0) dot = q.softcap * std::tanh(dot / q.softcap);
          logits[j] = dot + mask(b, h, i, j);
        }
        const double top = *std::max_element(logits.begin(), logits.end());
        double total = 0;
        for (int j = 0; j < q.keys; ++j) {
          const double power = std::isinf(top) ? 0 : std::exp(logits[j] - top);
          total += power;
          for (int d = 0; d < q.head_v; ++d) sums[d] += power * v[(kv * q.keys + j) * q.head_v + d];
        }
        for (const double sum : sums) y.push_back(total == 0 ? 0 : sum / total);
      }
  return y;
}

template <class T, class Out, class Mask>
void attention(const char* entry, const Problem& q, int queries_a_block, int warps, int tile_keys,
               bool masked, double tolerance) {
  KernelCase c("attention");
  const auto x = random_values<T>(size_t(q.batches) * q.heads * q.queries * q.head, 1, -2, 2);
  const auto k = random_values<T>(size_t(q.batches) * q.kv_heads * q.keys * q.head, 2, -2, 2);
  const auto v = random_values<T>(size_t(q.batches) * q.kv_heads * q.keys * q.head_v, 3, -1, 1);
  // Of each batch and query, the same for all heads.
  auto mask = random_values<Mask>(size_t(q.batches) * q.queries * q.keys, 4, 0, 2);
  constexpr bool kTruth = kSame<Mask, boolean>;
  if (kTruth) {
    std::mt19937 engine(5);
    for (double& m : mask) m = engine() % 2;
    for (int j = 0; j < q.keys; ++j) mask[j] = 0;  // the first query sees nothing
  } else if (masked) {
    mask[0] = -HUGE_VAL;
  }
  const double scale = 1 / std::sqrt(q.head);
  AttentionParams p{};
  p.q = c.input<T>(x);
  p.k = c.input<T>(k);
  p.v = c.input<T>(v);
  if (masked) p.mask = c.input<Mask>(mask);
  if (!q.lengths.empty()) p.lengths = c.input<i64>(q.lengths);
  p.y = c.output<Out>(attend(q, x, k, v, scale,
                             [&](int b, int, int i, int j) {
                               const double m = mask[(b * q.queries + i) * q.keys + j];
                               return !masked ? 0 : kTruth ? (m != 0 ? 0 : -HUGE_VAL) : m;
                             }),
                      tolerance);
  p.q_row = q.head, p.q_head = q.queries * p.q_row, p.q_batch = q.heads * p.q_head;
  p.k_row = q.head, p.k_head = q.keys * p.k_row, p.k_batch = q.kv_heads * p.k_head;
  p.v_row = q.head_v, p.v_head = q.keys * p.v_row, p.v_batch = q.kv_heads * p.v_head;
  p.y_row = q.head_v, p.y_head = q.queries * p.y_row, p.y_batch = q.heads * p.y_head;
  p.mask_column = 1, p.mask_row = q.keys, p.mask_batch = q.queries * q.keys;
  p.queries = q.queries, p.keys = q.keys, p.heads_per_kv = q.heads / q.kv_heads;
  p.causal_offset = q.offset, p.window = q.window;
  p.scale = static_cast<float>(scale);
  p.softcap = static_cast<float>(q.softcap);
  Shape s;
  s.grid[0] = static_cast<uint32_t>(ceil_div(q.queries, queries_a_block) * q.batches);
  s.grid[1] = static_cast<uint32_t>(q.heads);
  s.threads = static_cast<uint32_t>(32 * warps);
  if (tile_keys > 0) {
    s.shared_bytes =
        static_cast<uint32_t>(attention_shared_bytes(q.head, q.head_v, warps, tile_keys));
  }
  c.run(entry, s, p);
}

TEST(AttentionKernel, OneTileAndMany) {
  attention<f16, f16, f32>("plain", {1, 1, 1, 1, 1, 64, 64}, 64, 4, 64, false, 2e-3);
  attention<f16, f16, f32>("plain", {3, 2, 2, 67, 150, 64, 64}, 64, 4, 64, false, 2e-3);
}
TEST(AttentionKernel, CausalGroupedCapped) {
  Problem q{2, 4, 2, 35, 70, 48, 32, true, 35};
  q.softcap = 2;
  attention<bf16, f32, f32>("causal_grouped", q, 32, 2, 32, false, 1e-2);
  q.window = 9;
  attention<bf16, f32, f32>("causal_grouped", q, 32, 2, 32, false, 1e-2);
  q.offset = -5;  // the first queries see nothing
  q.lengths = {3, 40};
  attention<bf16, f32, f32>("causal_grouped", q, 32, 2, 32, false, 1e-2);
}
TEST(AttentionKernel, Masks) {
  attention<f16, f16, boolean>("masked", {2, 2, 1, 19, 21, 40, 24}, 16, 1, 16, true, 2e-3);
  attention<f16, f16, f32>("added", {1, 2, 2, 17, 50, 128, 128}, 16, 1, 32, true, 2e-3);
}
TEST(AttentionKernel, WithoutMatrixUnits) {
  attention<f32, f32, f32>("simt", {2, 2, 1, 9, 45, 17, 35, true, 36}, 4, 4, 0, true, 1e-5);
}

}  // namespace
}  // namespace planish::emulator
