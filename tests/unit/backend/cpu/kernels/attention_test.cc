// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "planish/error.h"
#include "unit/backend/cpu/kernels/kernel_support.h"

namespace planish::cpu {
namespace {

using testing::Guarded;
using testing::isas_here;
using testing::Random;

struct Case {
  int64_t batch, heads, kv_heads, q_length, k_length, head_size, v_head_size;
  bool positions_first = false;  // [B,S,H,D]
  bool mask = false;
  bool causal = false;
  float softcap = 0;
};

HeadStrides strides(const Case& test, int64_t heads, int64_t length, int64_t size) {
  if (test.positions_first) return {length * heads * size, size, heads * size};
  return {heads * length * size, length * size, size};
}

void check(Isa isa, const Case& test, ThreadPool& pool) {
  AttentionParams p;
  p.isa = isa;
  p.batch = test.batch;
  p.heads = test.heads;
  p.kv_heads = test.kv_heads;
  p.q_length = test.q_length;
  p.k_length = test.k_length;
  p.head_size = test.head_size;
  p.v_head_size = test.v_head_size;
  p.scale = 1 / std::sqrt(static_cast<float>(test.head_size));
  p.softcap = test.softcap;
  p.causal = test.causal;
  p.causal_offset = test.k_length - test.q_length;
  Guarded<float> q(test.batch * test.heads * test.q_length * test.head_size);
  Guarded<float> k(test.batch * test.kv_heads * test.k_length * test.head_size);
  Guarded<float> v(test.batch * test.kv_heads * test.k_length * test.v_head_size);
  Guarded<float> out(test.batch * test.heads * test.q_length * test.v_head_size);
  Guarded<float> mask(test.batch * test.q_length * test.k_length);
  Random random(31);
  for (auto* buffer : {&q, &k, &v}) {
    for (float& x : *buffer) x = random.real(-2, 2);
  }
  for (float& x : mask) x = random.below(3) == 0 ? -HUGE_VALF : random.real();
  for (int64_t i = 0; i < test.batch * test.q_length; ++i) mask[i * test.k_length] = 0;
  p.q = q.data();
  p.k = k.data();
  p.v = v.data();
  p.out = out.data();
  p.q_strides = strides(test, test.heads, test.q_length, test.head_size);
  p.k_strides = strides(test, test.kv_heads, test.k_length, test.head_size);
  p.v_strides = strides(test, test.kv_heads, test.k_length, test.v_head_size);
  p.out_strides = strides(test, test.heads, test.q_length, test.v_head_size);
  if (test.mask) {
    p.mask = mask.data();
    p.mask_batch = test.q_length * test.k_length;
    p.mask_q = test.k_length;
  }
  run_attention(p, pool);
  const auto at = [](const HeadStrides& s, int64_t b, int64_t h, int64_t i) {
    return b * s.batch + h * s.head + i * s.position;
  };
  std::vector<double> weights(test.k_length);
  for (int64_t b = 0; b < test.batch; ++b) {
    for (int64_t h = 0; h < test.heads; ++h) {
      const int64_t shared = h / (test.heads / test.kv_heads);
      for (int64_t i = 0; i < test.q_length; ++i) {
        double largest = -HUGE_VAL;
        for (int64_t j = 0; j < test.k_length; ++j) {
          double s = 0;
          for (int64_t d = 0; d < test.head_size; ++d) {
            s += static_cast<double>(q[at(p.q_strides, b, h, i) + d]) *
                 k[at(p.k_strides, b, shared, j) + d];
          }
          s *= p.scale;
          if (test.softcap != 0) s = test.softcap * std::tanh(s / test.softcap);
          if (test.mask) s += mask[(b * test.q_length + i) * test.k_length + j];
          if (test.causal && j > i + p.causal_offset) s = -HUGE_VAL;
          weights[j] = s;
          largest = std::max(largest, s);
        }
        double total = 0;
        for (double& w : weights) total += w = std::exp(w - largest);
        for (int64_t d = 0; d < test.v_head_size; ++d) {
          double want = 0;
          for (int64_t j = 0; j < test.k_length; ++j) {
            want += weights[j] / total * v[at(p.v_strides, b, shared, j) + d];
          }
          ASSERT_NEAR(out[at(p.out_strides, b, h, i) + d], want, 4e-6)
              << isa_name(isa) << " batch " << b << " head " << h << " query " << i;
        }
      }
    }
  }
}

TEST(Attention, AgainstDoubles) {
  const std::vector<Case> cases = {
      {1, 1, 1, 1, 1, 1, 1},
      {2, 3, 3, 5, 7, 16, 16},
      {1, 2, 2, 197, 197, 64, 64},
      {1, 2, 2, 49, 49, 32, 32, true, true},
      {2, 4, 2, 33, 129, 24, 40, true},
      {1, 2, 1, 1, 300, 64, 64, false, true},
      {1, 2, 1, 3, 300, 20, 17, true, false, true},
      {1, 1, 1, 300, 300, 33, 33, false, false, true},
      {1, 1, 1, 270, 140, 8, 8, false, true},
      {1, 2, 2, 40, 40, 256, 256, false, false, false, 5.0f},
      {1, 1, 1, 65, 257, 5, 3, false, true, true},
  };
  for (Isa isa : isas_here()) {
    for (int threads : {1, 3}) {
      ThreadPool pool(threads);
      for (const Case& test : cases) {
        check(isa, test, pool);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Attention, HiddenRowsAndNan) {
  for (Isa isa : isas_here()) {
    ThreadPool pool(1);
    std::vector<float> q(8 * 4, 1.0f), k(200 * 4, 1.0f), v(200 * 4, 2.0f), out(8 * 4), mask(200);
    AttentionParams p;
    p.isa = isa;
    p.q = q.data();
    p.k = k.data();
    p.v = v.data();
    p.out = out.data();
    p.mask = mask.data();
    p.q_length = 8;
    p.k_length = 200;
    p.head_size = p.v_head_size = 4;
    p.q_strides.position = p.k_strides.position = p.v_strides.position = 4;
    p.out_strides.position = 4;
    // A whole first block of keys hidden.
    std::fill_n(mask.begin(), 150, -HUGE_VALF);
    run_attention(p, pool);
    for (float x : out) EXPECT_FLOAT_EQ(x, 2.0f);
    // The lowest finite mask everywhere leaves equal weights.
    std::fill(mask.begin(), mask.end(), -3.4028235e38f);
    run_attention(p, pool);
    for (float x : out) EXPECT_FLOAT_EQ(x, 2.0f);
    std::fill(mask.begin(), mask.end(), -HUGE_VALF);
    run_attention(p, pool);
    for (float x : out) EXPECT_EQ(x, 0.0f);
    std::fill(mask.begin(), mask.end(), 0.0f);
    k[170 * 4] = NAN;
    run_attention(p, pool);
    for (float x : out) EXPECT_TRUE(std::isnan(x));
  }
}

TEST(Attention, RefusesHeadsTooWideForItsMemory) {
  AttentionParams p;
  p.head_size = kMaxHeadSize + 1;
  ThreadPool pool(1);
  EXPECT_THROW(run_attention(p, pool), Error);
}

}  // namespace
}  // namespace planish::cpu
