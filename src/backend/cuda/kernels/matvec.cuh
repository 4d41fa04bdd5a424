// SPDX-License-Identifier: Apache-2.0
// y[r, n] = Tail(sum over k of x[r, k] W[n, k]) for few rows r (decoding): bound by reading W once.
// A warp takes kOutputs rows of W (columns of y) and walks along K, kVector elements a lane at a
// time; with kWarpsK > 1 that many warps of a block share the walk. W may be quantised in blocks
// along K.
//
//   struct Config {
//     using Input = f16; using Output = f16;
//     using Weight = f16;  // f16, bf16, f32; i8, u8; Nibbles (two 4-bit values a byte, low first)
//     using Scale = f16;
//     using Tail = NoTail;              // tail.cuh: row r, column n
//     static constexpr int kRows = 1;   // rows of x, all held by a thread; up to 8
//     static constexpr int kOutputs = 2;
//     // Elements of W that a lane reads at once: 16 bytes or less. Divides k; row strides and
//     // addresses are multiples of it.
//     static constexpr int kVector = 8;
//     static constexpr int kWarps = 4, kWarpsK = 1;
//     static constexpr int kAhead = 4;  // reads of W begun before the predecessor ends (weights)
//     // 0: not quantised; else the elements of K of one scale, a multiple of kVector.
//     static constexpr int kBlock = 0;
//     // Zero points: one byte a scale (i8 if Weight is, else u8), or kZero for all.
//     static constexpr bool kHasZero = false;
//     static constexpr int kZero = 8;
//   };
// W: [n][stride_w]; scales and zeros [n][ceil(k / kBlock)].
// Grid: x = ceil(n / (kOutputs * kWarps / kWarpsK)), z = ceil(rows / kRows). Threads 32 * kWarps.
// Shared memory matvec_shared_bytes().
// Cost: bytes W once; flops 2 rows n k.
#pragma once

#include "lanes.cuh"
#include "tail.cuh"

namespace planish {

struct Nibbles {
  u8 bits;
};

struct MatvecParams {
  u64 x;
  u64 w;
  u64 scales;
  u64 zeros;
  u64 y;
  i64 x_row;     // strides in elements
  i64 stride_w;  // of a row of W, in elements (not bytes, for Nibbles)
  i64 y_row;
  i32 rows;
  i32 n;
  i32 k;
  i32 unused;
  TailOperand tail[kMaxTailOperands];
};

PLANISH_CONSTEXPR i32 matvec_shared_bytes(i32 warps, i32 warps_k, i32 rows, i32 outputs) {
  return warps_k > 1 ? warps * rows * outputs * 4 : 0;
}

template <class Config>
struct Matvec {
  using T = typename Config::Input;
  using W = typename Config::Weight;
  static constexpr int kVector = Config::kVector, kRows = Config::kRows,
                       kOutputs = Config::kOutputs;
  static constexpr int kPerByte = kSame<W, Nibbles> ? 2 : 1;
  static constexpr int kWords = kVector / kPerByte;             // elements of type W
  static constexpr int kStep = 32 * Config::kWarpsK * kVector;  // of K, by all that share the walk
  using Weights = Pack<W, kWords>;
  static_assert(Config::kBlock % kVector == 0, "a lane's elements have one scale");
  static_assert(Config::kWarps % Config::kWarpsK == 0, "warps share walks evenly");

  float sums[kRows][kOutputs];

  static PLANISH_DEVICE float weight(const Weights& w, int e, float zero) {
    if constexpr (kSame<W, Nibbles>) {
      return static_cast<float>(w.at[e / 2].bits >> (e % 2 * 4) & 15) - zero;
    } else if constexpr (Config::kBlock > 0) {
      return static_cast<float>(w.at[e]) - zero;
    } else {
      return static_cast<float>(pointwise::computed(w.at[e]));
    }
  }

  // Adds the products of kVector elements from `k` on with the rows of x.
  PLANISH_DEVICE void add(const MatvecParams& p, const float (&x)[kRows][kVector], const Weights& w,
                          int o, i32 n, i32 k) {
    float zero = 0;
    float scale = 1;
    if constexpr (Config::kBlock > 0) {
      const i64 at = static_cast<i64>(n) * ceil_div(p.k, Config::kBlock) + k / Config::kBlock;
      scale = pointwise::computed(
          load_constant_pack<1>(pointer<const typename Config::Scale>(p.scales) + at).at[0]);
      zero = static_cast<float>(Config::kZero);
      if constexpr (Config::kHasZero) {
        using Zero = Choose<kSame<W, i8>, i8, u8>;
        zero = static_cast<float>(load_constant_pack<1>(pointer<const Zero>(p.zeros) + at).at[0]);
      }
    }
    PLANISH_UNROLL
    for (int r = 0; r < kRows; ++r) {
      float part = 0;
      PLANISH_UNROLL
      for (int e = 0; e < kVector; ++e) part += weight(w, e, zero) * x[r][e];
      sums[r][o] += part * scale;
    }
  }

  static PLANISH_DEVICE void read_x(const MatvecParams& p, i32 first_row, i32 k,
                                    float (&x)[kRows][kVector]) {
    PLANISH_UNROLL
    for (int r = 0; r < kRows; ++r) {
      PLANISH_UNROLL
      for (int e = 0; e < kVector; ++e) x[r][e] = 0;
      if (first_row + r >= p.rows) continue;
      const T* from = pointer<const T>(p.x) + (first_row + r) * p.x_row + k;
      const Pack<T, kVector> pack = load_pack<kVector>(from);
      PLANISH_UNROLL
      for (int e = 0; e < kVector; ++e)
        x[r][e] = static_cast<float>(pointwise::computed(pack.at[e]));
    }
  }
};

template <class Config>
PLANISH_DEVICE void matvec_kernel(const MatvecParams& p) {
  using M = Matvec<Config>;
  using Weights = typename M::Weights;
  constexpr int kOutputs = Config::kOutputs, kRows = Config::kRows, kVector = Config::kVector;
  release_successor();
  const auto warp = static_cast<i32>(warp_index());
  const i32 first_n =
      (static_cast<i32>(block_x()) * (Config::kWarps / Config::kWarpsK) + warp / Config::kWarpsK) *
      kOutputs;
  const i32 first_row = static_cast<i32>(block_z()) * kRows;
  const i32 start = (warp % Config::kWarpsK * 32 + static_cast<i32>(lane_index())) * kVector;
  const auto* w = pointer<const typename Config::Weight>(p.w);
  const auto read = [&](i32 k, Weights(&to)[kOutputs]) {
    PLANISH_UNROLL
    for (int o = 0; o < kOutputs; ++o) {
      if (first_n + o < p.n && k < p.k) {
        to[o] = load_constant_pack<M::kWords>(w + ((first_n + o) * p.stride_w + k) / M::kPerByte);
      }
    }
  };
  Weights ahead[Config::kAhead > 0 ? Config::kAhead : 1][kOutputs];
  PLANISH_UNROLL
  for (int i = 0; i < Config::kAhead; ++i) read(start + i * M::kStep, ahead[i]);
  wait_for_predecessor();

  M m{};
  const auto add = [&](i32 k, const Weights(&from)[kOutputs]) {
    if (k >= p.k) return;
    float x[kRows][kVector];
    M::read_x(p, first_row, k, x);
    PLANISH_UNROLL
    for (int o = 0; o < kOutputs; ++o) {
      if (first_n + o < p.n) m.add(p, x, from[o], o, first_n + o, k);
    }
  };
  PLANISH_UNROLL
  for (int i = 0; i < Config::kAhead; ++i) add(start + i * M::kStep, ahead[i]);
  for (i32 k = start + Config::kAhead * M::kStep; k < p.k; k += M::kStep) {
    Weights now[kOutputs]{};
    read(k, now);
    add(k, now);
  }

  const Shared<float> room = shared_array<float>(0);
  PLANISH_UNROLL
  for (int r = 0; r < kRows; ++r) {
    PLANISH_UNROLL
    for (int o = 0; o < kOutputs; ++o) {
      m.sums[r][o] = fold_warp<Sum>(m.sums[r][o]);
      if (Config::kWarpsK > 1 && lane_index() == 0) {
        room.set((warp * kRows + r) * kOutputs + o, m.sums[r][o]);
      }
    }
  }
  if constexpr (Config::kWarpsK > 1) {
    sync_block();
    if (warp % Config::kWarpsK != 0) return;
  }
  // One lane an output.
  PLANISH_UNROLL
  for (int i = 0; i < kRows * kOutputs; ++i) {
    const i32 row = first_row + i / kOutputs;
    const i32 n = first_n + i % kOutputs;
    if (static_cast<int>(lane_index()) != i % 32 || row >= p.rows || n >= p.n) continue;
    float y[1] = {m.sums[i / kOutputs][i % kOutputs]};
    if constexpr (Config::kWarpsK > 1) {
      y[0] = 0;
      PLANISH_UNROLL
      for (int s = 0; s < Config::kWarpsK; ++s) y[0] += room.get((warp + s) * kRows * kOutputs + i);
    }
    apply_tail<typename Config::Tail>(p.tail, 0, row, n, 1, y);
    store_row(pointer<typename Config::Output>(p.y) + row * p.y_row + n, 1, y);
  }
}

}  // namespace planish
