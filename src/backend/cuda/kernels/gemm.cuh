// SPDX-License-Identifier: Apache-2.0
// C[b, m, n] = Tail(sum over k of A[b, m, k] B[b, k, n]) on the matrix units.
//
// Config: that of mma_tile.cuh, and
//   using Output = f16;                       // f32, f16, bf16, i32, i8, ...
//   using Tail = NoTail;                      // tail.cuh; rows m, columns n
//   static constexpr bool kConstantB = true;  // B is weights: read before the predecessor ends
//   static constexpr bool kSplit = false;     // grid y splits K, see below
//   static constexpr int kM = 0, kN = 0, kK = 0;      // sizes baked in; 0: in the parameters
//   static constexpr i64 kStrideA = 0, kStrideB = 0;  // row strides baked in, likewise
//
// Layouts: A has element (m, k) at m * stride_a + k if kMajorKA, else at k * stride_a + m. B has
// element (k, n) at n * stride_b + k if kMajorKB, else at k * stride_b + n. C: m * stride_c + n.
// Batch b has the offsets b / batch_inner * batch_x[0] + b % batch_inner * batch_x[1], which may
// be 0. kVectorA > 1 needs a, its stride and its batch strides to be multiples of kVectorA
// elements; B likewise. Any m, n >= 1; k = 0 gives Tail(0).
//
// Grid: x = gemm_tiles(m, kTileM) * gemm_tiles(n, kTileN); y = splits of K, each k_split long, a
// multiple of kTileK (without kSplit: 1, k_split = k or more); z = least(batches, 65535). Threads
// MmaTile<Config>::kThreads, shared memory MmaTile<Config>::kSharedBytes (gemm_shared_bytes()).
// With kSplit, `parts` has room for grid x * z * y * kTileM * kTileN floats and batches must be
// grid z; `counters` holds grid x * z integers, zero before and after.
// With kSplit and `static constexpr int kCluster = 4` (2 to 8; sm_90) the splits of a tile are a
// cluster that joins them through shared memory: grid y is kCluster, parts and counters are not
// used, and the entry is declared PLANISH_KERNEL(...) PLANISH_CLUSTER(kCluster).
// Cost: flops 2 b m n k; bytes: A read tiles(n) times and B tiles(m) times from L2, once from
// memory, C once; with splits 8 m n more for each split, none with a cluster.
#pragma once

#include "mma_tile.cuh"
#include "tail.cuh"

namespace planish {

struct GemmParams {
  u64 a;
  u64 b;
  u64 c;
  u64 parts;     // 0 without kSplit
  u64 counters;  // 0 without kSplit
  i64 stride_a;
  i64 stride_b;
  i64 stride_c;
  i64 batch_a[2];
  i64 batch_b[2];
  i64 batch_c[2];
  i32 m;
  i32 n;
  i32 k;
  i32 k_split;
  i32 batches;
  i32 batch_inner;  // at least 1
  TailOperand tail[kMaxTailOperands];
};

PLANISH_CONSTEXPR i32 gemm_tiles(i32 size, i32 tile) { return ceil_div(size, tile); }
// As MmaTile<Config>::kSharedBytes, for hosts.
PLANISH_CONSTEXPR i32 gemm_shared_bytes(i32 tile_m, i32 tile_n, i32 tile_k, i32 stages, i32 warps_m,
                                        i32 warps_n, i32 warps_k, i32 element_bytes,
                                        bool is_cluster = false) {
  const i32 ring = stages * (tile_m + tile_n) * tile_k * element_bytes;
  const i32 staging = warps_m * warps_n * 64 * (tile_n / warps_n + 8);
  return most(most(ring, is_cluster ? tile_m * (tile_n + 8) * 4 : 0),
              most(staging, (warps_k - 1) * tile_m * tile_n * 4));
}

// The tile of a block: neighbours in x share columns of B within groups of eight rows of tiles.
struct TileIndex {
  i32 row;
  i32 column;
};
PLANISH_DEVICE TileIndex tile_of(u32 block, i32 rows, i32 columns) {
  constexpr i32 kGroup = 8;
  const auto index = static_cast<i32>(block);
  const i32 first = index / (kGroup * columns) * kGroup;
  const i32 height = least(kGroup, rows - first);
  const i32 within = index % (kGroup * columns);
  return {first + within % height, within / height};
}

// Where eight neighbouring columns of a product go.
template <class Output>
struct RowPlace {
  Output* to = nullptr;
  i64 batch = 0;  // as the tail counts them
  i64 row = 0;
  i64 column = 0;
  int count = 0;  // columns that exist; 0: nothing does
};

// Takes rows of a tile (MmaTile::Finisher): rounds and stores sums that need no float in between,
// else applies the tail. Locate: RowPlace operator()(i32 row, i32 column), from the tile's corner.
template <class Tail, class Output, class Sum, class Locate>
struct TileWriter {
  static constexpr bool kIsPlain = kSame<Sum, Output> && kSame<Tail, NoTail>;
  using Columns = TailValues<Tail, 8, true>;
  struct Row {
    RowPlace<Output> place;
    TailValues<Tail, 8, false> values;
  };

  Locate locate;
  const TailOperand* operands;

  PLANISH_DEVICE void fetch_columns(i32 column, Columns& columns) const {
    const RowPlace<Output> place = locate(0, column);
    if (place.count > 0) columns.fetch(operands, 0, 0, place.column, place.count);
  }
  PLANISH_DEVICE void fetch(i32 row, i32 column, Row& held) const {
    held.place = locate(row, column);
    const RowPlace<Output>& p = held.place;
    if (p.count > 0) held.values.fetch(operands, p.batch, p.row, p.column, p.count);
  }
  PLANISH_DEVICE void write(const Columns& columns, const Row& held, Sum (&x)[8]) const {
    if (held.place.count == 0) return;
    if constexpr (kIsPlain) {
      PLANISH_UNROLL
      for (int e = 0; e < 8; ++e) {
        if (e < held.place.count) store(held.place.to + e, x[e]);
      }
    } else {
      float y[8];
      PLANISH_UNROLL
      for (int e = 0; e < 8; ++e) y[e] = static_cast<float>(x[e]);
      apply_tail<Tail>(columns, held.values, y);
      store_row(held.place.to, held.place.count, y);
    }
  }
};
template <class Tail, class Output, class Sum, class Locate>
PLANISH_DEVICE TileWriter<Tail, Output, Sum, Locate> tile_writer(const TailOperand* operands,
                                                                 Locate locate) {
  return {locate, operands};
}

// Joins the splits of K that meet in memory. False: another block writes the tile.
template <class Config>
PLANISH_DEVICE bool join_splits(MmaTile<Config>& product, i64 place, u64 parts, u64 counters) {
  using Tile = MmaTile<Config>;
  if constexpr (Config::kSplit && Tile::kCluster == 1) {
    const auto splits = static_cast<int>(grid_y());
    auto* mine = pointer<typename Tile::Sum>(parts) +
                 place * splits * (static_cast<i64>(Config::kTileM) * Config::kTileN);
    return product.join_splits(mine, pointer<i32>(counters) + place, static_cast<int>(block_y()),
                               splits);
  }
  return true;
}

template <class Config>
PLANISH_DEVICE void gemm_kernel(const GemmParams& p) {
  using Tile = MmaTile<Config>;
  using T = typename Config::Input;
  using Output = typename Config::Output;
  constexpr int kRowsA = Config::kMajorKA ? Config::kTileM : Config::kTileK;
  constexpr int kColumnsA = Config::kMajorKA ? Config::kTileK : Config::kTileM;
  constexpr int kRowsB = Config::kMajorKB ? Config::kTileN : Config::kTileK;
  constexpr int kColumnsB = Config::kMajorKB ? Config::kTileK : Config::kTileN;
  using CopyA = TileCopy<T, kRowsA, kColumnsA, Tile::kThreads, Config::kVectorA>;
  using CopyB = TileCopy<T, kRowsB, kColumnsB, Tile::kThreads, Config::kVectorB>;

  release_successor();
  const i32 m = baked(Config::kM, p.m);
  const i32 n = baked(Config::kN, p.n);
  const i32 k = baked(Config::kK, p.k);
  const i64 stride_a = Config::kStrideA != 0 ? Config::kStrideA : p.stride_a;
  const i64 stride_b = Config::kStrideB != 0 ? Config::kStrideB : p.stride_b;
  const TileIndex tile =
      tile_of(block_x(), gemm_tiles(m, Config::kTileM), gemm_tiles(n, Config::kTileN));
  const i32 first_m = tile.row * Config::kTileM;
  const i32 first_n = tile.column * Config::kTileN;
  const i32 first_k = Config::kSplit ? static_cast<i32>(block_y()) * p.k_split : 0;
  const i32 end_k = Config::kSplit ? least(k, first_k + p.k_split) : k;
  const i32 steps = ceil_div(most(0, end_k - first_k), Config::kTileK);

  for (i32 batch = static_cast<i32>(block_z()); batch < p.batches;
       batch += static_cast<i32>(grid_z())) {
    const i32 outer = batch / p.batch_inner;
    const i32 inner = batch % p.batch_inner;
    const T* a = pointer<const T>(p.a) + outer * p.batch_a[0] + inner * p.batch_a[1] +
                 (Config::kMajorKA ? first_m * stride_a + first_k : first_k * stride_a + first_m);
    const T* b = pointer<const T>(p.b) + outer * p.batch_b[0] + inner * p.batch_b[1] +
                 (Config::kMajorKB ? first_n * stride_b + first_k : first_k * stride_b + first_n);
    Output* c = pointer<Output>(p.c) + outer * p.batch_c[0] + inner * p.batch_c[1];

    const auto writer = tile_writer<typename Config::Tail, Output, typename Tile::Sum>(
        p.tail, [&](i32 row, i32 column) {
          const i32 r = first_m + row;
          const i32 s = first_n + column;
          return RowPlace<Output>{c + r * p.stride_c + s, batch, r, s,
                                  r < m ? most(0, least(8, n - s)) : 0};
        });
    typename Tile::template Finisher<decltype(writer)> finisher(writer);
    Tile product;
    product.template run<Config::kConstantB>(
        steps,
        [&](Shared<T> stage, i32 step) {
          const i32 at = step * Config::kTileK;
          if constexpr (Config::kMajorKA) {
            CopyA::copy(stage, a + at, stride_a, m - first_m, end_k - first_k - at);
          } else {
            CopyA::copy(stage, a + at * stride_a, stride_a, end_k - first_k - at, m - first_m);
          }
        },
        [&](Shared<T> stage, i32 step) {
          const i32 at = step * Config::kTileK;
          if constexpr (Config::kMajorKB) {
            CopyB::copy(stage, b + at, stride_b, n - first_n, end_k - first_k - at);
          } else {
            CopyB::copy(stage, b + at * stride_b, stride_b, end_k - first_k - at, n - first_n);
          }
        },
        [&] { finisher.begin(); });
    if (!join_splits(product, static_cast<i64>(batch) * grid_x() + block_x(), p.parts, p.counters))
      return;
    finisher.finish(product);
    sync_block();
  }
}

}  // namespace planish
