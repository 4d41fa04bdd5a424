// SPDX-License-Identifier: Apache-2.0
// The vector functions against double libm over a dense sample of all floats, through the pointwise
// engine's loops, on every instruction set of this machine.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "backend/cpu/kernels/pointwise_table.h"
#include "unit/backend/cpu/kernels/kernel_support.h"

namespace planish::cpu {
namespace {

using testing::isas_here;
using testing::ulps;

constexpr float kInf = HUGE_VALF;

struct Case {
  const char* op;
  std::function<double(double)> want;
  double most_ulps;
  std::vector<float> attributes = {};
};

// Calls f(x, got) for a sample of all floats and for the special ones.
void sweep(const PointwiseTable& table, const Case& test,
           const std::function<void(float, float)>& f) {
  constexpr int kBlock = 1021;
  std::vector<float> in, out(kBlock);
  const auto flush = [&] {
    TapeLoop loop{};
    loop.dst = out.data();
    loop.src[0] = in.data();
    loop.steps[0] = true;
    loop.rows = 1;
    loop.cols = static_cast<int64_t>(in.size());
    loop.attributes = test.attributes.data();
    table.f32[find_pointwise_row(test.op)](loop);
    for (size_t i = 0; i < in.size(); ++i) f(in[i], out[i]);
    in.clear();
  };
  const auto add = [&](float x) {
    in.push_back(x);
    if (in.size() == kBlock) flush();
  };
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 10007) {
    add(__builtin_bit_cast(float, static_cast<uint32_t>(bits)));
  }
  for (float x : {0.0f,     -0.0f,  1.0f,    -1.0f,      0.5f,     -0.5f,    1e-45f,
                  -1e-45f,  1e-39f, 3.4e38f, -3.4e38f,   88.7228f, 88.7229f, -87.4f,
                  -103.97f, 1e6f,   -1e6f,   1.00001e6f, kInf,     -kInf,    std::nanf("")}) {
    add(x);
  }
  for (int i = -4000; i <= 4000; ++i) add(static_cast<float>(i) * 0.005f);
  flush();
}

double gelu(double x) { return 0.5 * x * (1 + std::erf(x * M_SQRT1_2)); }

const std::vector<Case>& cases() {
  const auto of = [](double (*f)(double)) { return std::function<double(double)>(f); };
  static const std::vector<Case> kCases = {
      {"Exp", of(std::exp), 1.5},
      {"Log", of(std::log), 1.5},
      {"Sqrt", of(std::sqrt), 0.51},
      {"Reciprocal", [](double x) { return 1 / x; }, 0.51},
      {"Erf", of(std::erf), 2},
      {"Tanh", of(std::tanh), 3},
      {"Sinh", of(std::sinh), 4},
      {"Cosh", of(std::cosh), 4},
      {"Asinh", of(std::asinh), 3},
      {"Acosh", of(std::acosh), 3},
      {"Atanh", of(std::atanh), 3},
      {"Sin", of(std::sin), 2},
      {"Cos", of(std::cos), 2},
      {"Tan", of(std::tan), 4},
      {"Asin", of(std::asin), 3},
      {"Acos", of(std::acos), 3},
      {"Atan", of(std::atan), 3},
      {"Floor", of(std::floor), 0},
      {"Ceil", of(std::ceil), 0},
      {"Round", of(std::nearbyint), 0},
      {"Abs", of(std::fabs), 0},
      {"Sigmoid", [](double x) { return x < -700 ? std::exp(x) : 1 / (1 + std::exp(-x)); }, 3},
      {"Softplus", [](double x) { return x > 40 ? x : std::log1p(std::exp(x)); }, 3},
      {"Elu", [](double x) { return x > 0 ? x : std::expm1(x); }, 2, {1.0f}},
  };
  return kCases;
}

TEST(VectorMath, FewUnitsInTheLastPlaceFromLibm) {
  for (Isa isa : isas_here()) {
    for (const Case& test : cases()) {
      double worst = 0;
      float where = 0;
      sweep(pointwise_table(isa), test, [&](float x, float got) {
        const double error = ulps(got, test.want(x));
        if (error > worst) {
          worst = error;
          where = x;
        }
      });
      EXPECT_LE(worst, test.most_ulps) << isa_name(isa) << " " << test.op << "(" << where << ")";
    }
  }
}

TEST(VectorMath, TheSignOfZeroIsKept) {
  for (Isa isa : isas_here()) {
    for (const char* op : {"Sin", "Tan", "Asin", "Atan", "Sinh", "Tanh", "Asinh", "Atanh", "Erf",
                           "Floor", "Ceil", "Round", "Sqrt", "Elu", "Softsign"}) {
      for (const float zero : {0.0f, -0.0f}) {
        const float one = 1.0f;
        float got = 5;
        TapeLoop loop{};
        loop.dst = &got;
        loop.src[0] = &zero;
        loop.steps[0] = true;
        loop.rows = loop.cols = 1;
        loop.attributes = &one;
        pointwise_table(isa).f32[find_pointwise_row(op)](loop);
        EXPECT_EQ(got, 0.0f) << op;
        EXPECT_EQ(std::signbit(got), std::signbit(zero)) << isa_name(isa) << " " << op;
      }
    }
  }
}

// The negative tail cancels in f32: the bound is absolute there.
TEST(VectorMath, GeluWithinItsTolerance) {
  for (Isa isa : isas_here()) {
    sweep(pointwise_table(isa), {"Gelu", gelu, 0, {0.0f}}, [&](float x, float got) {
      if (!(std::fabs(x) < 1e30f)) return;
      EXPECT_NEAR(got, gelu(x), 4e-7 * std::max(1.0f, std::fabs(x))) << isa_name(isa) << " " << x;
    });
  }
}

TEST(VectorMath, PowerFollowsLibm) {
  const std::vector<float> values = {
      0.0f,  -0.0f,  1.0f,   -1.0f,       2.0f,  -2.0f,  3.0f,   -3.0f,        0.5f,
      -0.5f, 1e-3f,  2.5f,   -2.5f,       1e10f, -1e10f, 1e-40f, kInf,         -kInf,
      7.0f,  100.5f, -0.25f, 16777216.0f, 1e38f, -7.0f,  1e-45f, std::nanf("")};
  for (Isa isa : isas_here()) {
    for (float x : values) {
      for (float y : values) {
        float got = 5;
        TapeLoop loop{};
        loop.dst = &got;
        loop.src[0] = &x;
        loop.src[1] = &y;
        loop.steps[0] = loop.steps[1] = true;
        loop.rows = loop.cols = 1;
        pointwise_table(isa).f32[find_pointwise_row("Pow")](loop);
        const double want = std::pow(static_cast<double>(x), static_cast<double>(y));
        EXPECT_LE(ulps(got, want), 1.0) << isa_name(isa) << " " << x << " ^ " << y << " = " << got;
        if (want == 0) {
          EXPECT_EQ(std::signbit(got), std::signbit(want)) << x << " ^ " << y;
        }
      }
    }
  }
}

}  // namespace
}  // namespace planish::cpu
