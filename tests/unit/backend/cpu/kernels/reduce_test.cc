// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/reduce.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/kernels/softmax.h"
#include "unit/backend/cpu/kernels/kernel_support.h"

namespace planish::cpu {
namespace {

using testing::Guarded;
using testing::isas_here;
using testing::Random;

constexpr ReduceOp kOps[] = {
    ReduceOp::kSum,       ReduceOp::kMean, ReduceOp::kMax, ReduceOp::kMin,    ReduceOp::kProd,
    ReduceOp::kSumSquare, ReduceOp::kL1,   ReduceOp::kL2,  ReduceOp::kLogSum, ReduceOp::kLogSumExp};

struct Case {
  std::vector<int64_t> dims;
  std::vector<int> axes;
};

double reduce_naively(ReduceOp op, const std::vector<double>& x) {
  double sum = 0, squares = 0, absolute = 0, product = 1;
  double largest = -HUGE_VAL, smallest = HUGE_VAL;
  bool nan = false;
  for (double v : x) {
    sum += v;
    squares += v * v;
    absolute += std::fabs(v);
    product *= v;
    largest = std::max(largest, v);
    smallest = std::min(smallest, v);
    nan |= std::isnan(v);
  }
  double exponentials = 0;
  for (double v : x) exponentials += std::exp(v);
  switch (op) {
    case ReduceOp::kSum: return sum;
    case ReduceOp::kMean: return sum / static_cast<double>(x.size());
    case ReduceOp::kMax: return nan ? NAN : largest;
    case ReduceOp::kMin: return nan ? NAN : smallest;
    case ReduceOp::kProd: return product;
    case ReduceOp::kSumSquare: return squares;
    case ReduceOp::kL1: return absolute;
    case ReduceOp::kL2: return std::sqrt(squares);
    case ReduceOp::kLogSum: return std::log(sum);
    case ReduceOp::kLogSumExp: return std::log(exponentials);
  }
  return 0;
}

void check(Isa isa, ReduceOp op, const Case& test, ThreadPool& pool) {
  ReduceParams params;
  params.op = op;
  params.isa = isa;
  params.rank = static_cast<int>(test.dims.size());
  int64_t total = 1, outputs = 1;
  for (int d = 0; d < params.rank; ++d) {
    params.dims[d] = test.dims[d];
    params.reduced[d] = std::count(test.axes.begin(), test.axes.end(), d) != 0;
    total *= test.dims[d];
    if (!params.reduced[d]) outputs *= test.dims[d];
  }
  Guarded<float> src(total), dst(outputs);
  Random random(17);
  // Positive for the logarithm; near one for the product.
  const bool tame = op == ReduceOp::kProd;
  for (float& x : src) x = tame ? random.real(0.97f, 1.03f) : random.real(-1.0f, 3.0f);
  if (op == ReduceOp::kLogSum) {
    for (float& x : src) x = std::fabs(x);
  }
  std::vector<std::vector<double>> slices(outputs);
  for (int64_t i = 0; i < total; ++i) {
    int64_t left = i, out = 0, stride = 1;
    for (int d = params.rank - 1; d >= 0; --d) {
      const int64_t at = left % test.dims[d];
      left /= test.dims[d];
      if (params.reduced[d]) continue;
      out += at * stride;
      stride *= test.dims[d];
    }
    slices[out].push_back(src[i]);
  }
  params.src = src.data();
  params.dst = dst.data();
  run_reduce(params, pool);
  for (int64_t o = 0; o < outputs; ++o) {
    const double want = reduce_naively(op, slices[o]);
    const double scale = std::max(reduce_naively(ReduceOp::kL1, slices[o]) *
                                      (op == ReduceOp::kMean ? 1.0 / slices[o].size() : 1.0) * 0.1,
                                  std::fabs(want));
    ASSERT_NEAR(dst[o], want, 2e-6 * scale)
        << isa_name(isa) << " op " << static_cast<int>(op) << " output " << o;
  }
}

TEST(Reduce, EveryOperationOverManyAxes) {
  const std::vector<Case> cases = {{{1}, {0}},
                                   {{1000}, {0}},
                                   {{100003}, {0}},
                                   {{7, 13}, {1}},
                                   {{7, 13}, {0}},
                                   {{300, 300}, {0}},
                                   {{5, 3, 49}, {2}},
                                   {{2, 700, 35}, {1}},
                                   {{2, 3, 4, 5}, {0, 2}},
                                   {{2, 3, 4, 5}, {1, 3}},
                                   {{2, 3, 4, 5}, {0, 1, 2, 3}},
                                   {{2, 3, 4, 5}, {}},
                                   {{4, 1, 6}, {1}},
                                   {{3, 5, 2, 70}, {0, 2}},
                                   {{1, 1, 1}, {0, 2}}};
  for (Isa isa : isas_here()) {
    ThreadPool pool(isa == Isa::plain ? 1 : 3);
    for (const Case& test : cases) {
      for (ReduceOp op : kOps) {
        check(isa, op, test, pool);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Reduce, NoElements) {
  ThreadPool pool(1);
  const float want[] = {0, NAN, -HUGE_VALF, HUGE_VALF, 1, 0, 0, 0, -HUGE_VALF, -HUGE_VALF};
  for (ReduceOp op : kOps) {
    float dst[3] = {5, 5, 5};
    ReduceParams params;
    params.op = op;
    params.dst = dst;
    params.rank = 2;
    params.dims[0] = 3;
    params.dims[1] = 0;
    params.reduced[1] = true;
    run_reduce(params, pool);
    for (float got : dst) {
      const float expected = want[static_cast<int>(op)];
      EXPECT_TRUE(got == expected || (std::isnan(got) && std::isnan(expected)))
          << static_cast<int>(op) << ": " << got;
    }
  }
}

TEST(Reduce, NanInfinityAndLargeSums) {
  for (Isa isa : isas_here()) {
    ThreadPool pool(2);
    const int64_t n = 20'000'003 / (isa == Isa::plain ? 8 : 1);
    std::vector<float> src(n, 0.1f);
    float got = 0;
    ReduceParams params;
    params.isa = isa;
    params.src = src.data();
    params.dst = &got;
    params.rank = 1;
    params.dims[0] = n;
    params.reduced[0] = true;
    run_reduce(params, pool);
    EXPECT_NEAR(got, static_cast<double>(n) * 0.1f, 2e-6 * static_cast<double>(n) * 0.1);
    params.dims[0] = 100;
    params.op = ReduceOp::kLogSumExp;
    std::fill_n(src.begin(), 100, 1000.0f);
    run_reduce(params, pool);
    EXPECT_NEAR(got, 1000 + std::log(100.0), 1e-3);
    std::fill_n(src.begin(), 100, -HUGE_VALF);
    run_reduce(params, pool);
    EXPECT_EQ(got, -HUGE_VALF);
    src[3] = HUGE_VALF;
    run_reduce(params, pool);
    EXPECT_EQ(got, HUGE_VALF);
    for (size_t at : {0u, 50u, 99u}) {
      std::fill_n(src.begin(), 100, 1.0f);
      src[at] = NAN;
      for (ReduceOp op : kOps) {
        params.op = op;
        run_reduce(params, pool);
        EXPECT_TRUE(std::isnan(got)) << static_cast<int>(op);
      }
    }
  }
}

TEST(ArgReduce, AgainstNaive) {
  for (Isa isa : isas_here()) {
    ThreadPool pool(2);
    for (const auto& [outer, axis, inner] :
         {std::array<int64_t, 3>{3, 1, 1}, {5, 37, 1}, {2, 1003, 1}, {3, 9, 70}, {1, 300, 5}}) {
      Guarded<float> src(outer * axis * inner);
      Guarded<int64_t> dst(outer * inner);
      Random random(23);
      for (float& x : src) x = static_cast<float>(random.below(7));
      if (src.size() > 40) src[src.size() - 33] = NAN;
      for (bool smallest : {false, true}) {
        for (bool last : {false, true}) {
          run_arg_reduce({src.data(), dst.data(), outer, axis, inner, smallest, last, isa}, pool);
          for (int64_t o = 0; o < outer; ++o) {
            for (int64_t i = 0; i < inner; ++i) {
              int64_t best = 0;
              for (int64_t a = 1; a < axis; ++a) {
                const float x = src[(o * axis + a) * inner + i];
                const float y = src[(o * axis + best) * inner + i];
                if (std::isnan(y)) continue;
                const bool better = std::isnan(x) || (smallest ? x < y : x > y);
                if (better || (last && x == y)) best = a;
              }
              ASSERT_EQ(dst[o * inner + i], best) << isa_name(isa) << smallest << last;
            }
          }
        }
      }
    }
  }
}

TEST(Softmax, AgainstDoublesOverAnyAxis) {
  for (Isa isa : isas_here()) {
    ThreadPool pool(2);
    for (const auto& [outer, axis, inner] : {std::array<int64_t, 3>{1, 1, 1},
                                             {7, 3, 1},
                                             {5, 197, 1},
                                             {2, 5003, 1},
                                             {3, 10, 1},
                                             {2, 21, 77},
                                             {1, 80, 400},
                                             {4, 16, 1},
                                             {2, 64, 3}}) {
      for (bool logarithm : {false, true}) {
        for (bool in_place : {false, true}) {
          Guarded<float> src(outer * axis * inner), dst(outer * axis * inner);
          Random random(29);
          for (float& x : src) x = random.real(-20, 20);
          const std::vector<float> x(src.begin(), src.end());
          float* out = in_place ? src.data() : dst.data();
          run_softmax({src.data(), out, outer, axis, inner, logarithm, isa}, pool);
          for (int64_t o = 0; o < outer; ++o) {
            for (int64_t i = 0; i < inner; ++i) {
              double total = 0;
              for (int64_t a = 0; a < axis; ++a) total += std::exp(x[(o * axis + a) * inner + i]);
              for (int64_t a = 0; a < axis; ++a) {
                const int64_t at = (o * axis + a) * inner + i;
                const double want = logarithm ? x[at] - std::log(total) : std::exp(x[at]) / total;
                ASSERT_NEAR(out[at], want, logarithm ? 5e-6 : 1e-6 * std::max(want, 1e-2))
                    << isa_name(isa) << " " << outer << "x" << axis << "x" << inner;
              }
            }
          }
        }
      }
    }
  }
}

TEST(Softmax, SpecialValues) {
  for (Isa isa : isas_here()) {
    ThreadPool pool(1);
    for (int64_t inner : {1, 3}) {
      std::vector<float> x(20 * inner, -HUGE_VALF), y(x.size());
      x[5 * inner] = 1000;
      x[7 * inner] = 1000;
      run_softmax({x.data(), y.data(), 1, 20, inner, false, isa}, pool);
      EXPECT_EQ(y[5 * inner], 0.5f);
      EXPECT_EQ(y[0], 0.0f);
      x[9 * inner] = NAN;
      run_softmax({x.data(), y.data(), 1, 20, inner, false, isa}, pool);
      for (int64_t a = 0; a < 20; ++a) EXPECT_TRUE(std::isnan(y[a * inner]));
    }
  }
}

}  // namespace
}  // namespace planish::cpu
