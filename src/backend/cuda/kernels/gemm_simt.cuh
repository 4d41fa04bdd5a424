// SPDX-License-Identifier: Apache-2.0
// C[b, m, n] = Tail(sum over k of A[b, m, k] B[b, k, n]) without matrix units: strict f32 (no
// TF32), f64, integers, and any strides. The sum runs over k in order, in one accumulator an
// element.
//
//   struct Config {
//     using InputA = f32; using InputB = f32; using Output = f32;
//     using Sum = float;                // float, double, i32, i64: what products are added in
//     using Tail = NoTail;              // tail.cuh; only if Sum is float
//     // Multiples of 16; 256 threads, each with kTileM / 16 times kTileN / 16 elements.
//     static constexpr int kTileM = 64, kTileN = 64;
//   };
//
// Grid: x = tiles of m * tiles of n, z = least(batches, 65535). Threads 256. Shared memory
// gemm_simt_shared_bytes(). Any sizes; k = 0 gives Tail(0).
// Cost: flops 2 b m n k; operands read once a tile.
#pragma once

#include "gemm.cuh"

namespace planish {

struct GemmSimtParams {
  u64 a;
  u64 b;
  u64 c;
  i64 a_row;  // strides in elements
  i64 a_k;
  i64 b_k;
  i64 b_column;
  i64 c_row;
  i64 batch_a[2];
  i64 batch_b[2];
  i64 batch_c[2];
  i32 m;
  i32 n;
  i32 k;
  i32 batches;
  i32 batch_inner;  // at least 1
  i32 zero_a;       // subtracted from integers of A, of B
  i32 zero_b;
  i32 unused;
  TailOperand tail[kMaxTailOperands];
};

inline constexpr int kGemmSimtK = 16;
PLANISH_CONSTEXPR i32 gemm_simt_shared_bytes(i32 tile_m, i32 tile_n, i32 sum_bytes) {
  return (tile_m + tile_n + 8) * kGemmSimtK * sum_bytes;
}

template <class Config>
struct GemmSimt {
  using Sum = typename Config::Sum;
  static constexpr int kTileM = Config::kTileM, kTileN = Config::kTileN, kTileK = kGemmSimtK;
  static constexpr int kM = kTileM / 16, kN = kTileN / 16;
  static constexpr int kStrideA = kTileM + 4, kStrideB = kTileN + 4;
  static_assert(kTileM % 16 == 0 && kTileN % 16 == 0, "tiles are multiples of 16");

  template <class T>
  static PLANISH_DEVICE Sum as_sum(T x, i32 zero) {
    if constexpr (kSame<Sum, float> || kSame<Sum, double>) {
      return static_cast<Sum>(pointwise::computed(x));
    } else {
      return static_cast<Sum>(pointwise::computed(x)) - static_cast<Sum>(zero);
    }
  }

  // kRows lines of kTileK elements to stage[k][line], walking along the axis that is contiguous.
  template <int kRows, int kStride, class T>
  static PLANISH_DEVICE void copy(Shared<Sum> stage, const T* from, i64 line_stride, i64 k_stride,
                                  i32 lines, i32 depth, i32 zero) {
    PLANISH_UNROLL
    for (int first = 0; first < kRows * kTileK; first += 256) {
      const int i = first + static_cast<int>(thread_index());
      const int line = k_stride == 1 ? i / kTileK : i % kRows;
      const int k = k_stride == 1 ? i % kTileK : i / kRows;
      Sum x = 0;
      if (line < lines && k < depth)
        x = as_sum(load(from + line * line_stride + k * k_stride), zero);
      stage.set(k * kStride + line, x);
    }
  }

  static PLANISH_DEVICE void product(Sum (&sums)[kM][kN], Shared<Sum> a, Shared<Sum> b) {
    const int row = static_cast<int>(thread_index()) / 16;
    const int column = static_cast<int>(thread_index()) % 16;
    PLANISH_UNROLL
    for (int k = 0; k < kTileK; ++k) {
      Sum x[kM];
      Sum y[kN];
      PLANISH_UNROLL
      for (int i = 0; i < kM; ++i) x[i] = a.get(k * kStrideA + row + 16 * i);
      PLANISH_UNROLL
      for (int j = 0; j < kN; ++j) y[j] = b.get(k * kStrideB + column + 16 * j);
      PLANISH_UNROLL
      for (int i = 0; i < kM; ++i) {
        PLANISH_UNROLL
        for (int j = 0; j < kN; ++j) sums[i][j] += x[i] * y[j];
      }
    }
  }
};

template <class Config>
PLANISH_DEVICE void gemm_simt_kernel(const GemmSimtParams& p) {
  using G = GemmSimt<Config>;
  using Sum = typename Config::Sum;
  using Output = typename Config::Output;
  release_successor();
  wait_for_predecessor();
  const Shared<Sum> a_stage = shared_array<Sum>(0);
  const Shared<Sum> b_stage = a_stage.from(G::kStrideA * G::kTileK);
  const TileIndex tile = tile_of(block_x(), ceil_div(p.m, G::kTileM), ceil_div(p.n, G::kTileN));
  const i32 m0 = tile.row * G::kTileM;
  const i32 n0 = tile.column * G::kTileN;
  for (i32 batch = static_cast<i32>(block_z()); batch < p.batches;
       batch += static_cast<i32>(grid_z())) {
    const i32 outer = batch / p.batch_inner;
    const i32 inner = batch % p.batch_inner;
    const auto* a = pointer<const typename Config::InputA>(p.a) + outer * p.batch_a[0] +
                    inner * p.batch_a[1] + m0 * p.a_row;
    const auto* b = pointer<const typename Config::InputB>(p.b) + outer * p.batch_b[0] +
                    inner * p.batch_b[1] + n0 * p.b_column;
    Output* c = pointer<Output>(p.c) + outer * p.batch_c[0] + inner * p.batch_c[1];
    Sum sums[G::kM][G::kN] = {};
    for (i32 k = 0; k < p.k; k += G::kTileK) {
      sync_block();
      G::template copy<G::kTileM, G::kStrideA>(a_stage, a + k * p.a_k, p.a_row, p.a_k, p.m - m0,
                                               p.k - k, p.zero_a);
      G::template copy<G::kTileN, G::kStrideB>(b_stage, b + k * p.b_k, p.b_column, p.b_k, p.n - n0,
                                               p.k - k, p.zero_b);
      sync_block();
      G::product(sums, a_stage, b_stage);
    }
    PLANISH_UNROLL
    for (int i = 0; i < G::kM; ++i) {
      PLANISH_UNROLL
      for (int j = 0; j < G::kN; ++j) {
        const i32 r = m0 + static_cast<i32>(thread_index()) / 16 + 16 * i;
        const i32 s = n0 + static_cast<i32>(thread_index()) % 16 + 16 * j;
        if (r >= p.m || s >= p.n) continue;
        Output* to = c + r * p.c_row + s;
        if constexpr (kSame<Sum, float>) {
          float x[1] = {sums[i][j]};
          apply_tail<typename Config::Tail>(p.tail, batch, r, s, 1, x);
          store_row(to, 1, x);
        } else {
          store(to, pointwise::stored<Output>(sums[i][j]));
        }
      }
    }
  }
}

}  // namespace planish
