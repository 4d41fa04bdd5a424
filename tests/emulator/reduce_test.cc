// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/kernels/reduce.cuh"

#include "emulator/kernel_case.h"

namespace planish::emulator {
namespace {

using Fold = std::function<double(const std::vector<double>&)>;

struct Sizes {
  i64 a, b, c, d;  // b and d are folded
};

// Folds axes b and d of x[a, b, c, d].
std::vector<double> fold(const std::vector<double>& x, const Sizes& s, const Fold& f) {
  std::vector<double> y;
  for (i64 a = 0; a < s.a; ++a)
    for (i64 c = 0; c < s.c; ++c) {
      std::vector<double> parts;
      for (i64 b = 0; b < s.b; ++b)
        for (i64 d = 0; d < s.d; ++d) parts.push_back(x[((a * s.b + b) * s.c + c) * s.d + d]);
      y.push_back(f(parts));
    }
  return y;
}

ReduceParams params(const Sizes& s) {
  ReduceParams p{};
  p.kept = s.a * s.c;
  p.reduced = s.b * s.d;
  p.kept_dims[0] = s.a, p.kept_dims[1] = s.c;
  p.kept_x[0] = s.b * s.c * s.d, p.kept_x[1] = s.d;
  p.kept_y[0] = s.c, p.kept_y[1] = 1;
  p.reduced_dims[0] = s.b, p.reduced_dims[1] = s.d;
  p.reduced_x[0] = s.c * s.d, p.reduced_x[1] = 1;
  return p;
}

template <class T, class Out>
void rows(const char* entry, const Sizes& s, int rows_a_block, const Fold& f, double low,
          double high, double tolerance, bool with_nan = false) {
  KernelCase c("reduce");
  auto x = random_values<T>(s.a * s.b * s.c * s.d, 1, low, high);
  if (with_nan) x[x.size() / 2] = std::nan("");
  ReduceParams p = params(s);
  p.x = c.input<T>(x);
  p.y = c.output<Out>(fold(x, s, f), tolerance);
  c.run(entry,
        {.grid = {static_cast<uint32_t>(reduce_blocks(p.kept, false, 1, rows_a_block)), 1, 1},
         .threads = 128,
         .shared_bytes = static_cast<uint32_t>(reduce_shared_bytes(4, false, 1, 8))},
        p);
}

double sum(const std::vector<double>& x) {
  double s = 0;
  for (const double v : x) s += v;
  return s;
}
double half_mean(const std::vector<double>& x) { return sum(x) / x.size() / 2; }
double largest(const std::vector<double>& x) {
  double m = -HUGE_VAL;
  for (const double v : x) m = std::isnan(v) || v > m ? v : m;
  return m;
}
double sum_of(const std::vector<double>& x, double (*f)(double)) {
  double s = 0;
  for (const double v : x) s += f(v);
  return s;
}

TEST(ReduceKernel, MeanOverTwoAxes) {
  for (const Sizes s : {Sizes{1, 1, 1, 4}, Sizes{3, 2, 5, 8}, Sizes{2, 7, 3, 100}}) {
    rows<f16, f32>("mean_rows", s, 1, half_mean, -1, 1, 1e-6);
    rows<f16, f32>("warp_rows", s, 4, half_mean, -1, 1, 1e-6);
  }
}

TEST(ReduceKernel, EveryFold) {
  const Sizes s{2, 3, 2, 45};
  rows<f32, f32>("max_f32", s, 1, largest, -1, 1, 0);
  rows<f64, f64>(
      "min_f64", s, 1, [](auto& x) { return *std::min_element(x.begin(), x.end()); }, -1, 1, 0);
  rows<i8, i8>("max_i8", s, 1, largest, -100, 0, 0);
  rows<i32, i32>(
      "product_i32", {2, 3, 2, 3}, 1,
      [](auto& x) {
        double m = 1;
        for (const double v : x) m *= v;
        return m;
      },
      -6, 6, 0);
  rows<f32, f32>(
      "l1", s, 1, [](auto& x) { return sum_of(x, [](double v) { return std::fabs(v); }); }, -1, 1,
      1e-6);
  rows<f32, f32>(
      "l2", s, 1, [](auto& x) { return std::sqrt(sum_of(x, [](double v) { return v * v; })); }, -1,
      1, 1e-6);
  rows<f32, f32>(
      "sum_square", s, 1, [](auto& x) { return sum_of(x, [](double v) { return v * v; }); }, -1, 1,
      1e-6);
  rows<f32, f32>(
      "log_sum", s, 1, [](auto& x) { return std::log(sum(x)); }, 0, 1, 1e-6);
}

TEST(ReduceKernel, NanWins) {
  const Sizes s{1, 1, 1, 77};
  KernelCase c("reduce");
  auto x = random_values<f32>(77, 1);
  x[40] = std::nan("");
  ReduceParams p = params(s);
  p.x = c.input<f32>(x);
  p.y = c.output<f32>({std::nan("")}, 0);
  c.run("max_f32", {.threads = 128, .shared_bytes = 64}, p);
}

TEST(ReduceKernel, NothingGivesTheNeutralValue) {
  KernelCase c("reduce");
  ReduceParams p = params({1, 0, 2, 5});
  p.x = c.input<f32>({0});
  p.y = c.output<f32>({-HUGE_VAL, -HUGE_VAL}, 0);
  c.run("max_f32", {.grid = {2, 1, 1}, .threads = 128, .shared_bytes = 64}, p);
}

TEST(ReduceKernel, ColumnsSharedByWarps) {
  for (const Sizes s : {Sizes{1, 1, 2, 1}, Sizes{3, 9, 70, 1}}) {
    KernelCase c("reduce");
    const auto x = random_values<f16>(s.a * s.b * s.c, 1);
    ReduceParams p = params(s);
    p.reduced_dims[0] = s.b;
    p.x = c.input<f16>(x);
    p.y = c.output<f32>(fold(x, s, sum), 1e-6);
    c.run("sum_columns",
          {.grid = {static_cast<uint32_t>(reduce_blocks(p.kept, true, 2, 1)), 1, 1},
           .threads = 128,
           .shared_bytes = static_cast<uint32_t>(reduce_shared_bytes(4, true, 2, 4))},
          p);
  }
}

TEST(ReduceKernel, IndexOfTheBest) {
  const Sizes s{3, 50, 2, 1};
  std::vector<double> x = random_values<f16>(s.a * s.b * s.c, 1, -4, 4);
  for (double& v : x) v = std::round(v);  // many equal ones
  x[7] = std::nan("");
  for (const bool last_least : {false, true}) {
    KernelCase c("reduce");
    const auto y = fold(x, s, [&](const std::vector<double>& v) {
      size_t best = 0;
      for (size_t i = 1; i < v.size(); ++i) {
        if (std::isnan(v[best])) break;
        const bool better = last_least ? v[i] <= v[best] : v[i] > v[best];
        if (better || std::isnan(v[i])) best = i;
      }
      return static_cast<double>(best);
    });
    ReduceParams p = params(s);
    p.x = c.input<f16>(x);
    p.y = c.output<i64>(y, 0);
    c.run(last_least ? "arg_min_last" : "arg_max",
          {.grid = {static_cast<uint32_t>(ceil_div(p.kept, i64{4})), 1, 1}, .threads = 128}, p);
  }
}

}  // namespace
}  // namespace planish::emulator
