// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/kernels/attention_decode.cuh"
#include "backend/cuda/kernels/matvec.cuh"
#include "emulator/kernel_case.h"

namespace planish::emulator {
namespace {

struct Problem {
  const char* entry;
  int rows, n, k, rows_a_block, outputs_a_block, warps_k;
};

// w(n, k) is what the stored weights mean.
template <class T, class W>
void run(KernelCase& c, MatvecParams& p, const Problem& q, W w) {
  const auto x = random_values<T>(static_cast<size_t>(q.rows) * static_cast<size_t>(q.k), 1);
  const auto bias = random_values<f32>(q.n, 2);
  std::vector<double> y;
  for (int r = 0; r < q.rows; ++r)
    for (int n = 0; n < q.n; ++n) {
      double sum = bias[n];
      for (int k = 0; k < q.k; ++k) sum += x[r * q.k + k] * w(n, k);
      y.push_back(sum);
    }
  p.x = c.input<T>(x);
  p.y = c.output<f32>(y, 1e-5);
  p.x_row = p.stride_w = q.k;
  p.y_row = q.n;
  p.rows = q.rows, p.n = q.n, p.k = q.k;
  p.tail[0] = {c.constant<f32>(bias), 0, 0, 1};
  Shape s;
  s.grid[0] = static_cast<uint32_t>(ceil_div(q.n, q.outputs_a_block));
  s.grid[2] = static_cast<uint32_t>(ceil_div(q.rows, q.rows_a_block));
  s.threads = 128;
  s.shared_bytes = static_cast<uint32_t>(matvec_shared_bytes(4, q.warps_k, q.rows_a_block, 2));
  c.run(q.entry, s, p);
}

TEST(DecodeKernel, MatrixTimesVector) {
  for (const Problem q :
       {Problem{"half", 1, 1, 8, 1, 8, 1}, Problem{"half", 2, 13, 1032, 1, 8, 1}}) {
    KernelCase c("decode");
    const auto w = random_values<f16>(static_cast<size_t>(q.n) * static_cast<size_t>(q.k), 3);
    MatvecParams p{};
    p.w = c.constant<f16>(w);
    run<f16>(c, p, q, [&](int n, int k) { return w[n * q.k + k]; });
  }
  const Problem q{"many_rows", 5, 3, 131, 3, 1, 4};
  KernelCase c("decode");
  const auto w = random_values<f32>(static_cast<size_t>(q.n) * static_cast<size_t>(q.k), 3);
  MatvecParams p{};
  p.w = c.constant<f32>(w);
  run<f32>(c, p, q, [&](int n, int k) { return w[n * q.k + k]; });
}

TEST(DecodeKernel, QuantisedWeights) {
  {
    const Problem q{"four_bit", 1, 9, 1056, 1, 8, 1};
    const int blocks = q.k / 32;
    KernelCase c("decode");
    const auto bytes =
        random_values<u8>(static_cast<size_t>(q.n) * static_cast<size_t>(q.k) / 2, 3, 0, 255);
    const auto scales =
        random_values<f16>(static_cast<size_t>(q.n) * static_cast<size_t>(blocks), 4, 0.01, 0.1);
    MatvecParams p{};
    p.w = c.constant<u8>(bytes);
    p.scales = c.constant<f16>(scales);
    run<f16>(c, p, q, [&](int n, int k) {
      const int byte = static_cast<int>(bytes[(n * q.k + k) / 2]);
      return ((byte >> (k % 2 * 4) & 15) - 8) * scales[n * blocks + k / 32];
    });
  }
  const Problem q{"eight_bit", 1, 6, 1040, 1, 4, 2};
  const int blocks = q.k / 16;
  KernelCase c("decode");
  const auto w =
      random_values<i8>(static_cast<size_t>(q.n) * static_cast<size_t>(q.k), 3, -128, 127);
  const auto scales =
      random_values<f32>(static_cast<size_t>(q.n) * static_cast<size_t>(blocks), 4, 0.01, 0.1);
  const auto zeros =
      random_values<i8>(static_cast<size_t>(q.n) * static_cast<size_t>(blocks), 5, -9, 9);
  MatvecParams p{};
  p.w = c.constant<i8>(w);
  p.scales = c.constant<f32>(scales);
  p.zeros = c.constant<i8>(zeros);
  run<bf16>(c, p, q, [&](int n, int k) {
    const int at = n * blocks + k / 16;
    return (w[n * q.k + k] - zeros[at]) * scales[at];
  });
}

template <class T>
void decode(const char* entry, int batches, int kv_heads, int group, int keys, int head, int splits,
            bool masked) {
  KernelCase c("decode");
  const int heads = kv_heads * group;
  const auto q = random_values<T>(
      static_cast<size_t>(batches) * static_cast<size_t>(heads) * static_cast<size_t>(head), 1, -2,
      2);
  const auto k = random_values<T>(static_cast<size_t>(batches) * static_cast<size_t>(kv_heads) *
                                      static_cast<size_t>(keys) * static_cast<size_t>(head),
                                  2, -2, 2);
  const auto v = random_values<T>(static_cast<size_t>(batches) * static_cast<size_t>(kv_heads) *
                                      static_cast<size_t>(keys) * static_cast<size_t>(head),
                                  3);
  auto mask = random_values<f32>(static_cast<size_t>(heads) * static_cast<size_t>(keys), 4);
  for (int j = 0; j < keys && masked; ++j) mask[j] = -HUGE_VAL;  // the first head sees nothing
  const double scale = 0.25;
  std::vector<double> y;
  for (int b = 0; b < batches; ++b)
    for (int h = 0; h < heads; ++h) {
      const size_t kv =
          static_cast<size_t>(b * kv_heads + h / group) * static_cast<size_t>(keys) * head;
      std::vector<double> sums(head, 0.0), logits;
      for (int j = 0; j < keys; ++j) {
        double dot = 0;
        for (int d = 0; d < head; ++d) dot += q[(b * heads + h) * head + d] * k[kv + j * head + d];
        logits.push_back(dot * scale + (masked ? mask[h * keys + j] : 0));
      }
      const double top = *std::max_element(logits.begin(), logits.end());
      double total = 0;
      for (int j = 0; j < keys && !std::isinf(top); ++j) {
        const double power = std::exp(logits[j] - top);
        total += power;
        for (int d = 0; d < head; ++d) sums[d] += power * v[kv + j * head + d];
      }
      for (const double sum : sums) y.push_back(total == 0 ? 0 : sum / total);
    }
  AttentionDecodeParams p{};
  p.a.q = c.input<T>(q);
  p.a.k = c.input<T>(k);
  p.a.v = c.input<T>(v);
  if (masked) p.a.mask = c.input<f32>(mask);
  p.a.y = c.output<f32>(y, 1e-5);
  p.a.q_head = head, p.a.q_batch = heads * head, p.a.y_head = head, p.a.y_batch = heads * head;
  p.a.k_row = p.a.v_row = head, p.a.k_head = p.a.v_head = keys * head;
  p.a.k_batch = p.a.v_batch = kv_heads * keys * head;
  p.a.mask_head = keys, p.a.mask_column = 1;
  p.a.queries = 1, p.a.keys = keys, p.a.heads_per_kv = group;
  p.a.scale = static_cast<float>(scale);
  p.k_split = ceil_div(keys, splits);
  p.kv_heads = kv_heads;
  Shape s;
  s.grid[0] = static_cast<uint32_t>(kv_heads * batches);
  s.grid[1] = static_cast<uint32_t>(splits);
  s.threads = 64;
  s.shared_bytes = static_cast<uint32_t>(attention_decode_shared_bytes(head, group, 2));
  if (splits > 1) {
    p.parts = c.scratch(size_t(splits) * kv_heads * batches * group * (head + 2) * 4);
    p.counters = c.counters(static_cast<size_t>(kv_heads) * static_cast<size_t>(batches));
  }
  c.run(entry, s, p);
}

TEST(DecodeKernel, AttentionOfOneQuery) {
  for (const int keys : {1, 50}) {
    decode<f16>("decoded", 2, 2, 2, keys, 64, 1, true);
    decode<f32>("decoded_alone", 1, 3, 1, keys, 16, 1, false);
  }
  decode<f16>("decoded", 2, 2, 2, 77, 64, 3, true);
  decode<f32>("decoded_alone", 1, 2, 1, 5, 16, 4, false);  // the last split has nothing to do
}

}  // namespace
}  // namespace planish::emulator
