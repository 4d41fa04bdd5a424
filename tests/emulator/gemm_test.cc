// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/kernels/gemm.cuh"

#include "backend/cuda/kernels/gemm_simt.cuh"
#include "emulator/kernel_case.h"

namespace planish::emulator {
namespace {

// How an entry of instances/gemm.cc is launched.
struct Instance {
  const char* entry;
  int tile_m, tile_n, tile_k, stages, warps_m, warps_n, warps_k;
  bool major_ka = true, major_kb = true;
  bool is_cluster = false;
  int align = 8;  // strides are rounded up to this many elements
};

struct Problem {
  int m, n, k;
  int outer = 1, inner = 1;
  int splits = 1;
};

struct Matrices {
  std::vector<double> a, b;
  i64 stride_a, stride_b, stride_c;
  i64 a_size, b_size, c_size;
};

i64 round_up(i64 x, i64 to) { return (x + to - 1) / to * to; }

template <class A, class B>
Matrices matrices(const Instance& i, const Problem& q, double low, double high) {
  Matrices x;
  x.stride_a = round_up(i.major_ka ? q.k : q.m, i.align);
  x.stride_b = round_up(i.major_kb ? q.k : q.n, i.align);
  x.stride_c = q.n + 3;
  x.a_size = x.stride_a * (i.major_ka ? q.m : q.k);
  x.b_size = x.stride_b * (i.major_kb ? q.n : q.k);
  x.c_size = x.stride_c * q.m;
  x.a = random_values<A>(x.a_size * q.outer * q.inner, 1, low, high);
  x.b = random_values<B>(x.b_size * q.inner, 2, low, high);  // one B an inner batch
  return x;
}

// The products, with `tail(x, batch, row, column)` applied; gaps between rows stay untouched.
template <class Tail>
std::vector<double> expected(const Instance& i, const Problem& q, const Matrices& x, Tail tail) {
  std::vector<double> c(x.c_size * q.outer * q.inner, kUntouched);
  for (int batch = 0; batch < q.outer * q.inner; ++batch)
    for (int m = 0; m < q.m; ++m)
      for (int n = 0; n < q.n; ++n) {
        double sum = 0;
        for (int k = 0; k < q.k; ++k) {
          const i64 at_a = i.major_ka ? m * x.stride_a + k : k * x.stride_a + m;
          const i64 at_b = i.major_kb ? n * x.stride_b + k : k * x.stride_b + n;
          sum += x.a[batch * x.a_size + at_a] * x.b[batch % q.inner * x.b_size + at_b];
        }
        c[batch * x.c_size + m * x.stride_c + n] = tail(sum, batch, m, n);
      }
  return c;
}

GemmParams params(const Problem& q, const Matrices& x) {
  GemmParams p{};
  p.stride_a = x.stride_a;
  p.stride_b = x.stride_b;
  p.stride_c = x.stride_c;
  p.batch_a[0] = q.inner * x.a_size;
  p.batch_a[1] = x.a_size;
  p.batch_b[1] = x.b_size;
  p.batch_c[0] = q.inner * x.c_size;
  p.batch_c[1] = x.c_size;
  p.m = q.m;
  p.n = q.n;
  p.k = q.k;
  p.k_split = q.k;
  p.batches = q.outer * q.inner;
  p.batch_inner = q.inner;
  return p;
}

Shape shape(const Instance& i, const Problem& q, int element_bytes) {
  Shape s;
  s.grid[0] = static_cast<uint32_t>(gemm_tiles(q.m, i.tile_m) * gemm_tiles(q.n, i.tile_n));
  s.grid[1] = static_cast<uint32_t>(q.splits);
  s.grid[2] = static_cast<uint32_t>(q.splits > 1 ? q.outer * q.inner : least(2, q.outer * q.inner));
  s.threads = static_cast<uint32_t>(32 * i.warps_m * i.warps_n * i.warps_k);
  s.shared_bytes =
      static_cast<uint32_t>(gemm_shared_bytes(i.tile_m, i.tile_n, i.tile_k, i.stages, i.warps_m,
                                              i.warps_n, i.warps_k, element_bytes, i.is_cluster));
  return s;
}

const Instance kHalf{"half", 64, 64, 32, 3, 2, 2, 1};
const Instance kSplit{"split", 64, 64, 64, 3, 2, 2, 2};
const Instance kBaked{"baked", 32, 64, 32, 3, 1, 2, 1};
const Instance kBigTile{"big_tile", 128, 128, 32, 3, 2, 4, 1};

// Bias, relu, residual of the output's layout.
void with_residual(const Instance& i, const Problem& q) {
  KernelCase c("gemm");
  Matrices x = matrices<f16, f16>(i, q, -1, 1);
  if (std::string(i.entry) == "baked") x.stride_b = 104, x.b_size = 104 * q.n;
  if (std::string(i.entry) == "baked") x.b = random_values<f16>(x.b_size, 2);
  const auto bias = random_values<f32>(q.n, 3);
  const auto residual = random_values<f16>(x.c_size * q.outer * q.inner, 4);
  GemmParams p = params(q, x);
  p.a = c.input<f16>(x.a);
  p.b = c.constant<f16>(x.b);
  p.c = c.output<f16>(expected(i, q, x,
                               [&](double sum, int b, int m, int n) {
                                 return std::fmax(0, sum + bias[n]) +
                                        residual[b * x.c_size + m * x.stride_c + n];
                               }),
                      1e-3);
  p.tail[0] = {c.constant<f32>(bias), 0, 0, 1};
  p.tail[1] = {c.input<f16>(residual), x.c_size, x.stride_c, 1};
  const Shape s = shape(i, q, 2);
  if (q.splits > 1) {
    p.k_split = static_cast<i32>(round_up(ceil_div(q.k, q.splits), i.tile_k));
    if (i.is_cluster) return c.run(i.entry, s, p);
    p.parts = c.scratch(size_t{s.grid[0]} * s.grid[1] * s.grid[2] * i.tile_m * i.tile_n * 4);
    p.counters = c.counters(s.grid[0] * s.grid[2]);
  }
  c.run(i.entry, s, p);
}

TEST(GemmKernel, HalfWithBiasReluResidual) {
  for (const Problem q : {Problem{1, 1, 1}, Problem{64, 64, 32}, Problem{65, 67, 97, 2, 2},
                          Problem{3, 130, 40}, Problem{129, 8, 200, 3}}) {
    with_residual(kHalf, q);
  }
}
TEST(GemmKernel, SizesBakedIn) { with_residual(kBaked, {50, 72, 96}); }
TEST(GemmKernel, BigTile) { with_residual(kBigTile, {130, 120, 72}); }
TEST(GemmKernel, SplitOverBlocksAndWarps) {
  with_residual(kSplit, {70, 40, 520, 1, 2, 3});
  with_residual(kSplit, {5, 64, 256, 1, 1, 4});
  with_residual(kSplit, {5, 9, 64, 1, 1, 2});  // the second split has nothing to do
}

TEST(GemmKernel, SplitOverAClusterOfBlocks) {
  Instance i{"clustered", 64, 64, 32, 3, 2, 2, 1};
  i.is_cluster = true;
  with_residual(i, {70, 40, 520, 1, 2, 4});
  with_residual(i, {5, 9, 64, 1, 1, 4});  // two splits have nothing to do
}

TEST(GemmKernel, WarpGroups) {
  const Instance i{"together", 128, 64, 64, 4, 8, 1, 1};
  for (const Problem q : {Problem{1, 1, 1}, Problem{130, 67, 97, 2}, Problem{128, 64, 400}})
    with_residual(i, q);
  const Instance split{"together_split", 64, 32, 64, 4, 4, 1, 1};
  with_residual(split, {70, 40, 520, 1, 2, 3});
}

TEST(GemmKernel, TransposedOperandsRowScale) {
  const Instance i{"transposed", 64, 32, 32, 3, 2, 1, 1, false, false};
  for (const Problem q : {Problem{1, 3, 5, 1, 2}, Problem{66, 40, 70, 2, 3}}) {
    KernelCase c("gemm");
    const Matrices x = matrices<bf16, bf16>(i, q, -1, 1);
    const auto scale = random_values<f32>(q.m, 3);
    GemmParams p = params(q, x);
    p.a = c.input<bf16>(x.a);
    p.b = c.input<bf16>(x.b);
    p.c = c.output<f32>(
        expected(i, q, x, [&](double sum, int, int m, int) { return sum * scale[m] + 0.5; }), 1e-5);
    p.tail[0] = {c.input<f32>(scale), 0, 1, 0};
    p.tail[1] = {c.input<f32>({0.5}), 0, 0, 0};
    c.run(i.entry, shape(i, q, 2), p);
  }
}

template <class A, class B, class C>
void plain(const Instance& i, const Problem& q, double low, double high, double tolerance,
           size_t shift) {
  KernelCase c("gemm");
  const Matrices x = matrices<A, B>(i, q, low, high);
  GemmParams p = params(q, x);
  p.a = c.input<A>(x.a, shift);
  p.b = c.constant<B>(x.b);
  p.c = c.output<C>(expected(i, q, x, [](double sum, int, int, int) { return sum; }), tolerance, 4);
  c.run(i.entry, shape(i, q, sizeof(A)), p);
}

TEST(GemmKernel, NothingAligned) {
  Instance i{"ragged", 16, 32, 64, 2, 1, 1, 4};
  i.align = 1;
  // B moves in pairs: an even k keeps them aligned.
  for (const Problem q : {Problem{1, 1, 2}, Problem{17, 33, 66, 2}, Problem{5, 40, 130}}) {
    plain<f16, f16, f32>(i, q, -1, 1, 1e-5, 2);
  }
}

TEST(GemmKernel, WideWarpGroup) {
  const Instance i{"together_wide", 64, 192, 64, 3, 4, 1, 1};
  for (const Problem q : {Problem{65, 200, 130}, Problem{3, 20, 640}})
    plain<bf16, bf16, f32>(i, q, -1, 1, 1e-5, 0);
}

TEST(GemmKernel, Tf32) {
  const Instance i{"tf32", 64, 64, 16, 3, 2, 2, 1, true, true, false, 4};
  Instance t = i;
  t.entry = "tf32_transposed";
  t.major_ka = t.major_kb = false;
  for (const Problem q : {Problem{1, 2, 3}, Problem{66, 70, 37, 2}}) {
    plain<f32, f32, f32>(i, q, -1, 1, 2e-3, 0);
    plain<f32, f32, f32>(t, q, -1, 1, 2e-3, 0);
  }
}

TEST(GemmKernel, ExactFloats) {
  const Instance i{"exact", 64, 64, 16, 3, 2, 2, 1, true, true, false, 4};
  for (const Problem q : {Problem{1, 2, 3}, Problem{66, 70, 37, 2}}) {
    plain<f32, f32, f32>(i, q, -1, 1, 1e-6, 0);
  }
  // Rows: infinity, NaN, a number that TF32 rounds up to infinity. Columns: 1 (nothing of which is
  // left), 0.1.
  KernelCase c("gemm");
  const double inf = HUGE_VAL, nan = std::nan(""),
               big = static_cast<double>(float_of_bits(0x7f7ff800));
  const auto tenth = static_cast<double>(0.1f);
  GemmParams p = params({3, 2, 1}, {});
  p.a = c.input<f32>({inf, 0, 0, 0, nan, 0, 0, 0, big, 0, 0, 0});
  p.b = c.constant<f32>({1, 0, 0, 0, tenth, 0, 0, 0});
  p.c = c.output<f32>({inf, inf, nan, nan, big, big * tenth}, 1e-6);
  p.stride_a = p.stride_b = 4;
  p.stride_c = 2;
  c.run("exact", shape(i, {3, 2, 1}, 4), p);
}

TEST(GemmKernel, Int8) {
  const Instance i{"int8", 64, 64, 64, 3, 2, 2, 1, true, true, false, 16};
  Instance u = i;
  u.entry = "uint8";
  for (const Problem q : {Problem{1, 2, 3}, Problem{66, 70, 100, 2}}) {
    plain<i8, i8, i32>(i, q, -128, 127, 0, 0);
    plain<u8, i8, i32>(u, q, 0, 127, 0, 0);
  }
}

template <class A, class B, class C>
void simt(const char* entry, const Problem& q, bool transposed, double tolerance, int zero) {
  Instance i{entry, 64, 32, 16, 1, 1, 1, 8};
  i.align = 1;
  i.major_ka = !transposed;
  i.major_kb = transposed;
  KernelCase c("gemm");
  Matrices x = matrices<A, B>(i, q, zero != 0 ? 0 : -1, zero != 0 ? 100 : 1);
  GemmSimtParams p{};
  p.a_row = transposed ? 1 : x.stride_a;
  p.a_k = transposed ? x.stride_a : 1;
  p.b_column = transposed ? x.stride_b : 1;
  p.b_k = transposed ? 1 : x.stride_b;
  p.c_row = x.stride_c;
  const GemmParams g = params(q, x);
  std::memcpy(p.batch_a, g.batch_a, sizeof(p.batch_a));
  std::memcpy(p.batch_b, g.batch_b, sizeof(p.batch_b));
  std::memcpy(p.batch_c, g.batch_c, sizeof(p.batch_c));
  p.m = q.m, p.n = q.n, p.k = q.k, p.batches = g.batches, p.batch_inner = g.batch_inner;
  p.a = c.input<A>(x.a);
  p.b = c.input<B>(x.b);
  p.zero_a = zero;
  for (double& a : x.a) a -= zero;
  const bool scaled = kSame<C, f32>;
  const auto scale = random_values<f32>(q.m, 3);
  p.c = c.output<C>(
      expected(i, q, x,
               [&](double sum, int, int m, int) { return scaled ? sum * scale[m] + 0.5 : sum; }),
      tolerance);
  p.tail[0] = {c.input<f32>(scale), 0, 1, 0};
  p.tail[1] = {c.input<f32>({0.5}), 0, 0, 0};
  Shape s;
  s.grid[0] = static_cast<uint32_t>(ceil_div(q.m, 64) * ceil_div(q.n, 32));
  s.grid[2] = static_cast<uint32_t>(least(2, p.batches));
  s.threads = 256;
  s.shared_bytes = static_cast<uint32_t>(gemm_simt_shared_bytes(64, 32, sizeof(C)));
  c.run(entry, s, p);
}

TEST(GemmKernel, WithoutMatrixUnits) {
  for (const Problem q : {Problem{1, 1, 1}, Problem{66, 35, 19, 2, 2}, Problem{3, 3, 0}}) {
    for (const bool transposed : {false, true}) {
      simt<f32, f32, f32>("strict", q, transposed, 1e-6, 0);
      simt<u8, i8, i32>("bytes", q, transposed, 0, 7);
      simt<f64, f64, f64>("twofold", q, transposed, 1e-14, 0);
    }
  }
}

}  // namespace
}  // namespace planish::emulator
