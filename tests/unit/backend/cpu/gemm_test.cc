// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/gemm.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "runtime/thread_pool.h"
#include "unit/backend/cpu/guarded_buffer.h"

namespace planish::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

double activate(const Epilogue& e, double x) {
  const double p = e.p, q = e.q;
  switch (e.activation) {
    case Activation::none: return x;
    case Activation::clip: return x < p ? p : x > q ? q : x;
    case Activation::leaky_relu: return x < 0 ? p * x : x;
    case Activation::sigmoid: return 1 / (1 + std::exp(-x));
    case Activation::silu: return x / (1 + std::exp(-p * x));
    case Activation::tanh: return std::tanh(x);
    case Activation::gelu_erf: return 0.5 * x * (1 + std::erf(x * M_SQRT1_2));
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    case Activation::hard_sigmoid: return std::fmin(std::fmax(p * x + q, 0), 1);
    case Activation::hard_swish: return x * std::fmin(std::fmax(x / 6 + 0.5, 0), 1);
    case Activation::elu: return x < 0 ? p * std::expm1(x) : x;
  }
  return x;
}

int64_t batch_offset(const int64_t (&stride)[2], int64_t i, int64_t j) {
  return i * stride[0] + j * stride[1];
}

// C in double precision, from the same description (B unpacked), into rows of n.
std::vector<double> naive(const Gemm& g) {
  std::vector<double> c;
  for (int64_t b0 = 0; b0 < g.batch[0]; ++b0) {
    for (int64_t b1 = 0; b1 < g.batch[1]; ++b1) {
      const float* a = g.a + batch_offset(g.a_batch, b0, b1);
      const float* b = g.b + batch_offset(g.b_batch, b0, b1);
      for (int64_t i = 0; i < g.m; ++i) {
        for (int64_t j = 0; j < g.n; ++j) {
          double sum = 0;
          for (int64_t k = 0; k < g.k; ++k) {
            sum += static_cast<double>(a[i * g.a_row + k * g.a_col]) *
                   static_cast<double>(b[k * g.b_row + j * g.b_col]);
          }
          const Epilogue& e = g.epilogue;
          sum *= e.alpha;
          if (e.bias) sum += e.bias[j];
          if (e.row_bias) sum += e.row_bias[i];
          const double r =
              e.residual
                  ? e.residual[batch_offset(g.residual_batch, b0, b1) + i * e.residual_row + j]
                  : 0.0;
          c.push_back(e.residual_last ? activate(e, sum) + r : activate(e, sum + r));
        }
      }
    }
  }
  return c;
}

// Runs g with B packed and with B as it is, and compares with naive().
void check(Gemm g, Isa isa, ThreadPool& pool, const std::string& what) {
  const std::vector<double> expected = naive(g);
  std::vector<std::unique_ptr<GuardedBuffer>> packed;
  for (const bool pack : {false, true}) {
    Gemm run = g;
    const bool shared = g.b_batch[0] == 0 && g.b_batch[1] == 0;
    std::unique_ptr<GuardedBuffer> weights;
    if (pack) {
      if (!shared) continue;
      weights = std::make_unique<GuardedBuffer>(gemm_packed_floats(isa, g.k, g.n));
      gemm_pack(isa, g.b, g.b_row, g.b_col, g.k, g.n, weights->data());
      run.b = weights->data();
      run.b_packed = true;
    }
    // C's rows have a gap whose contents must stay.
    const int64_t gap = 3, row = g.n + gap;
    GuardedBuffer c(g.batch[0] * g.batch[1] * g.m * row - (g.m > 0 ? gap : 0));
    c.fill(-77.0f);
    run.c = c.data();
    run.c_row = row;
    run.c_batch[1] = g.m * row;
    run.c_batch[0] = g.batch[1] * g.m * row;
    Scratch scratch(gemm_scratch_bytes(isa, run, pool.threads()));
    gemm(isa, run, scratch.data(), pool);
    const double tolerance = 2e-6 * std::sqrt(static_cast<double>(g.k) + 1) + 2e-6;
    for (int64_t i = 0; i < static_cast<int64_t>(expected.size()); ++i) {
      const float got = c[i / g.n * row + i % g.n];
      ASSERT_NEAR(got, expected[i], tolerance * std::fmax(1, std::fabs(expected[i])))
          << what << " " << isa_name(isa) << " m " << g.m << " n " << g.n << " k " << g.k
          << " packed " << pack << " at " << i / g.n << ", " << i % g.n;
    }
    for (int64_t r = 0; r + 1 < g.batch[0] * g.batch[1] * g.m; ++r) {
      for (int64_t j = g.n; j < row; ++j) ASSERT_EQ(c[r * row + j], -77.0f) << what;
    }
  }
}

struct Sizes {
  int64_t m, n, k;
};

const Sizes kSizes[] = {{1, 1, 1},     {1, 16, 5},    {1, 33, 300},   {2, 32, 17},   {3, 31, 64},
                        {4, 64, 3},    {5, 7, 1},     {6, 17, 2},     {7, 48, 33},   {13, 32, 100},
                        {14, 33, 65},  {15, 40, 770}, {16, 100, 31},  {29, 65, 128}, {43, 130, 769},
                        {64, 9, 1537}, {200, 72, 40}, {97, 300, 10},  {8, 8, 8},     {3, 5, 0},
                        {130, 1, 70},  {31, 1000, 6}, {57, 257, 1100}};

TEST(Gemm, MatchesNaiveOnAwkwardSizes) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (const Isa isa : supported_isas()) {
      for (const auto& [m, n, k] : kSizes) {
        GuardedBuffer a(m * k), b(k * n), bias(n);
        a.fill_random(1);
        b.fill_random(2);
        bias.fill_random(3);
        Gemm g{.m = m, .n = n, .k = k};
        g.a = a.data();
        g.a_row = k;
        g.b = b.data();
        g.b_row = n;
        check(g, isa, pool, "plain");
        g.epilogue.bias = bias.data();
        g.epilogue.activation = Activation::clip;
        g.epilogue.q = kInf;
        check(g, isa, pool, "bias and relu");
      }
    }
  }
}

TEST(Gemm, TransposedOperands) {
  ThreadPool pool(2);
  for (const Isa isa : supported_isas()) {
    for (const auto& [m, n, k] : kSizes) {
      GuardedBuffer a(m * k), b(k * n);
      a.fill_random(1);
      b.fill_random(2);
      for (const bool turn_a : {false, true}) {
        for (const bool turn_b : {false, true}) {
          Gemm g{.m = m, .n = n, .k = k};
          g.a = a.data();
          g.a_row = turn_a ? 1 : k;
          g.a_col = turn_a ? m : 1;
          g.b = b.data();
          g.b_row = turn_b ? 1 : n;
          g.b_col = turn_b ? k : 1;
          check(g, isa, pool, turn_a ? (turn_b ? "both" : "a turned") : "b turned");
        }
      }
    }
  }
}

TEST(Gemm, RowsThatShareACacheSet) {
  ThreadPool pool(1);
  constexpr int64_t kRow = 2048, kM = 29, kN = 40, kK = 50;
  GuardedBuffer a((kM - 1) * kRow + kK), b(kK * kN);
  a.fill_random(1);
  b.fill_random(2);
  for (const Isa isa : supported_isas()) {
    Gemm g{.m = kM, .n = kN, .k = kK};
    g.a = a.data();
    g.a_row = kRow;
    g.b = b.data();
    g.b_row = kN;
    check(g, isa, pool, "4096-byte rows");
  }
}

TEST(Gemm, EveryPartOfTheEpilogue) {
  ThreadPool pool(2);
  struct Case {
    Activation activation;
    float p, q;
  };
  const Case cases[] = {{Activation::none, 0, 0},          {Activation::clip, -0.3f, 0.5f},
                        {Activation::leaky_relu, 0.1f, 0}, {Activation::sigmoid, 0, 0},
                        {Activation::silu, 1, 0},          {Activation::silu, 1.702f, 0},
                        {Activation::tanh, 0, 0},          {Activation::gelu_erf, 0, 0},
                        {Activation::gelu_tanh, 0, 0},     {Activation::hard_sigmoid, 0.2f, 0.5f},
                        {Activation::hard_swish, 0, 0},    {Activation::elu, 0.7f, 0}};
  for (const Isa isa : supported_isas()) {
    for (const auto& [m, n, k] : {Sizes{1, 50, 20}, Sizes{33, 45, 30}, Sizes{16, 70, 800}}) {
      GuardedBuffer a(m * k), b(k * n), bias(n), row_bias(m), residual(m * (n + 5) - 5);
      a.fill_random(1);
      b.fill_random(2);
      bias.fill_random(3);
      row_bias.fill_random(4);
      residual.fill_random(5);
      for (const Case& c : cases) {
        for (int parts = 0; parts < 16; ++parts) {
          Gemm g{.m = m, .n = n, .k = k};
          g.a = a.data();
          g.a_row = k;
          g.b = b.data();
          g.b_row = n;
          Epilogue& e = g.epilogue;
          e.activation = c.activation;
          e.p = c.p;
          e.q = c.q;
          e.alpha = (parts & 1) ? 0.125f : 1.0f;
          e.bias = (parts & 2) ? bias.data() : nullptr;
          e.row_bias = (parts & 4) ? row_bias.data() : nullptr;
          e.residual = (parts & 8) ? residual.data() : nullptr;
          e.residual_row = n + 5;
          e.residual_last = (parts & 1) != 0;
          check(g, isa, pool,
                "activation " + std::to_string(static_cast<int>(c.activation)) + " parts " +
                    std::to_string(parts));
        }
      }
    }
  }
}

// Attention: heads lie beside each other in a row of channels; K is read transposed.
TEST(Gemm, BatchesOfStridedHeads) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const Isa isa : supported_isas()) {
      for (const int64_t seq : {1, 5, 17, 40}) {
        constexpr int64_t kBatch = 2, kHeads = 3, kDim = 24, kRow = kHeads * kDim;
        GuardedBuffer q(kBatch * seq * kRow), k(kBatch * seq * kRow);
        q.fill_random(1);
        k.fill_random(2);
        Gemm g{.m = seq, .n = seq, .k = kDim, .batch = {kBatch, kHeads}};
        g.a = q.data();
        g.a_row = kRow;
        g.a_batch[0] = seq * kRow;
        g.a_batch[1] = kDim;
        g.b = k.data();
        g.b_row = 1;
        g.b_col = kRow;
        g.b_batch[0] = seq * kRow;
        g.b_batch[1] = kDim;
        g.epilogue.alpha = 0.2f;
        check(g, isa, pool, "scores");
        g.b_batch[0] = g.b_batch[1] = 0;
        check(g, isa, pool, "shared b");
        // The other product of attention: rows of B are contiguous.
        g.b_batch[0] = seq * kRow;
        g.b_batch[1] = kDim;
        g.k = g.n = std::min(seq, kDim);
        g.b_row = kRow;
        g.b_col = 1;
        check(g, isa, pool, "values");
      }
    }
  }
}

struct Seen {
  int64_t n;
  std::vector<std::atomic<int>>* visits;
};

void count_and_double(const void* state, float* c, int64_t c_row, int64_t batch, int64_t row0,
                      int64_t rows, int64_t col0, int64_t cols) {
  const Seen& seen = *static_cast<const Seen*>(state);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      c[i * c_row + j] = 2.0f * c[i * c_row + j] + static_cast<float>(batch);
      ++(*seen.visits)[(row0 + i) * seen.n + col0 + j];
    }
  }
}

TEST(Gemm, TailSeesEachElementOnceAfterTheActivation) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (const Isa isa : supported_isas()) {
      for (const auto& [m, n, k] : {Sizes{1, 70, 30}, Sizes{150, 333, 900}, Sizes{700, 20, 8}}) {
        GuardedBuffer a(m * k), b(k * n), packed(gemm_packed_floats(isa, k, n)), c(m * n);
        a.fill_random(1);
        b.fill_random(2);
        gemm_pack(isa, b.data(), n, 1, k, n, packed.data());
        std::vector<std::atomic<int>> visits(m * n);
        const Seen seen{n, &visits};
        Gemm g{.m = m, .n = n, .k = k};
        g.a = a.data();
        g.a_row = k;
        g.b = b.data();
        g.b_row = n;
        g.c = c.data();
        g.c_row = n;
        g.epilogue.activation = Activation::tanh;
        const std::vector<double> expected = naive(g);
        g.b = packed.data();
        g.b_packed = true;
        g.epilogue.tail = &count_and_double;
        g.epilogue.tail_state = &seen;
        gemm(isa, g, nullptr, pool);
        for (int64_t i = 0; i < m * n; ++i) {
          ASSERT_EQ(visits[i].load(), 1);
          ASSERT_NEAR(c[i], 2 * expected[i], 2e-4);
        }
      }
    }
  }
}

TEST(Gemm, NanAndInfinityPass) {
  ThreadPool pool(1);
  for (const Isa isa : supported_isas()) {
    for (const float special : {kNan, kInf, -kInf}) {
      for (int kind = 0; kind <= static_cast<int>(Activation::elu); ++kind) {
        constexpr int64_t kM = 5, kN = 37, kK = 9;
        GuardedBuffer a(kM * kK), b(kK * kN), packed(gemm_packed_floats(isa, kK, kN)), c(kM * kN);
        a.fill(0.5f);
        b.fill(1.0f);
        a[2 * kK + 4] = special;
        gemm_pack(isa, b.data(), kN, 1, kK, kN, packed.data());
        Gemm g{.m = kM, .n = kN, .k = kK};
        g.a = a.data();
        g.a_row = kK;
        g.b = packed.data();
        g.b_packed = true;
        g.c = c.data();
        g.c_row = kN;
        g.epilogue.activation = static_cast<Activation>(kind);
        g.epilogue.p = 0.25f;
        g.epilogue.q = 2.0f;
        gemm(isa, g, nullptr, pool);
        for (int64_t i = 0; i < kM * kN; ++i) {
          const bool row = i / kN == 2;
          if (std::isnan(special)) {
            ASSERT_EQ(std::isnan(c[i]), row) << isa_name(isa) << " " << kind;
          } else {
            ASSERT_FALSE(!row && !std::isfinite(c[i])) << isa_name(isa) << " " << kind;
            if (row && g.epilogue.activation == Activation::none) {
              ASSERT_EQ(c[i], special);
            }
          }
        }
      }
    }
  }
}

TEST(Gemm, EmptySizesDoNothing) {
  ThreadPool pool(2);
  for (const Isa isa : supported_isas()) {
    for (const auto& [m, n, k] : {Sizes{0, 5, 5}, Sizes{5, 0, 5}}) {
      Gemm g{.m = m, .n = n, .k = k};
      gemm(isa, g, nullptr, pool);
    }
    Gemm none{.m = 2, .n = 2, .k = 2, .batch = {3, 0}};
    gemm(isa, none, nullptr, pool);
  }
}

}  // namespace
}  // namespace planish::cpu
