// SPDX-License-Identifier: Apache-2.0
// What kernels over rows have in common: a team of kWarps warps holds one row in registers, so that
// it is read from memory once however often it is walked over. Longer rows are streamed: read again
// each time (from L2 if they fit).
//
//   struct Config {
//     using Input = f16;
//     static constexpr int kWarps = 1;    // of a row
//     static constexpr int kRows = 4;     // rows of a block; 1 if kWarps > 1
//     static constexpr int kVector = 8;   // divides columns, strides and addresses
//     static constexpr int kItems = 3;    // vectors a thread holds, see below
//     static constexpr bool kStream = false;  // true: longer rows; kItems is 1
//   };
// 32 * kWarps * kVector * kItems is at least the columns, unless they are streamed.
// Threads 32 * kWarps * kRows, grid x = ceil(rows / kRows), shared memory
// rows_shared_bytes(kWarps).
#pragma once

#include "lanes.cuh"
#include "tail.cuh"

namespace planish {

inline constexpr int kRowFolds = 4;  // folds of one kernel over a row
PLANISH_CONSTEXPR i32 rows_shared_bytes(i32 warps) { return warps > 1 ? kRowFolds * warps * 4 : 0; }

template <class Config>
struct RowTeam {
  static constexpr int kTeam = 32 * Config::kWarps, kVector = Config::kVector;
  static_assert(Config::kWarps == 1 || Config::kRows == 1,
                "several rows of a block have one warp each");

  // The row of this thread, and its place in the team.
  static PLANISH_DEVICE i64 row() {
    return static_cast<i64>(block_x()) * Config::kRows + (Config::kWarps == 1 ? warp_index() : 0);
  }
  static PLANISH_DEVICE i32 place() {
    return static_cast<i32>(Config::kWarps == 1 ? lane_index() : thread_index());
  }
  // Over the row; `number` tells the folds of a kernel apart.
  template <class Fold>
  static PLANISH_DEVICE float fold(float x, int number) {
    if constexpr (Config::kWarps == 1) {
      return fold_warp<Fold>(x);
    } else {
      return fold_block<Fold, Config::kWarps>(
          x, shared_array<float>(static_cast<u32>(number * Config::kWarps * 4)));
    }
  }

  // read(column, x) fills a vector; f(column, x) gets each of this thread's vectors in order.
  float held[Config::kItems][kVector];
  template <class Read>
  PLANISH_DEVICE void take(i32 columns, Read read) {
    if constexpr (!Config::kStream) {
      PLANISH_UNROLL
      for (int i = 0; i < Config::kItems; ++i) {
        const i32 column = (i * kTeam + place()) * kVector;
        if (column < columns) read(column, held[i]);
      }
    }
  }
  template <class Read, class F>
  PLANISH_DEVICE void each(i32 columns, Read read, F f) {
    if constexpr (Config::kStream) {
      for (i32 column = place() * kVector; column < columns; column += kTeam * kVector) {
        read(column, held[0]);
        f(column, held[0]);
      }
    } else {
      PLANISH_UNROLL
      for (int i = 0; i < Config::kItems; ++i) {
        const i32 column = (i * kTeam + place()) * kVector;
        if (column < columns) f(column, held[i]);
      }
    }
  }
};

// kVector elements as floats.
template <int kVector, class T>
PLANISH_DEVICE void load_floats(const T* from, float (&x)[kVector]) {
  const Pack<T, kVector> pack = load_pack<kVector>(from);
  PLANISH_UNROLL
  for (int v = 0; v < kVector; ++v) x[v] = static_cast<float>(pointwise::computed(pack.at[v]));
}

}  // namespace planish
