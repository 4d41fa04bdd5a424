// SPDX-License-Identifier: Apache-2.0
// What products and convolutions on the matrix units have in common: a block computes a kTileM x
// kTileN tile of C = A B, walking over K in steps of kTileK. Steps lie in a ring of kStages in
// shared memory, filled by background copies; each warp holds its part of C in registers.
//
//   struct Config {
//     using Input = f16;  // f16, bf16; f32 is computed as TF32; i8, or u8 (A) with i8 (B)
//     static constexpr int kTileM = 128, kTileN = 64, kTileK = 32, kStages = 4;
//     static constexpr int kWarpsM = 2, kWarpsN = 2;  // warps over the tile
//     static constexpr int kWarpsK = 1;  // warps that share a tile and split each step's K
//     static constexpr bool kMajorKA = true;  // K is A's contiguous axis; false: M is (not i8)
//     static constexpr bool kMajorKB = true;  // K is B's contiguous axis; false: N is (not i8)
//     // Elements that lie together and aligned in global memory: up to 16 bytes; less is slower.
//     static constexpr int kVectorA = 8, kVectorB = 8;
//   };
//
// With `static constexpr bool kWarpgroup = true` (sm_90a; f16 and bf16) four warps multiply
// together, straight from shared memory: kTileK 64, kWarpsM = kTileM / 16 a multiple of four,
// kWarpsN and kWarpsK 1, both operands major in K, kTileN as WarpgroupUnit has it.
//
// With `static constexpr bool kExact = true` f32 is computed as three TF32 products of its high and
// low parts: as exact as f32 itself, at a third of the rate.
//
// Limits: kTileM / kWarpsM and kTileN / kWarpsN multiples of 16; kTileK * size a multiple of
// 32 * kWarpsK bytes and at least 64. bf16, f32 and i8 need sm_80.
//
// Shared layout: rows of 16-byte chunks (of K for "major K", else of M or N); a chunk's place in
// its row is rotated by the row, so that the eight rows of an ldmatrix lie in different banks.
#pragma once

#include "lanes.cuh"

namespace planish {

namespace mma_detail {

// The chunk's place in its row of kChunks.
template <int kChunks>
PLANISH_DEVICE int place(int row, int chunk) {
  if constexpr (kChunks % 8 == 0) {
    return chunk ^ (row & 7);
  } else if constexpr (kChunks % 4 == 0) {
    return chunk ^ ((row >> 1) & 3);
  } else if constexpr (kChunks % 2 == 0) {
    return chunk ^ ((row >> 2) & 1);
  } else {
    return chunk;
  }
}

// Brings 16 bytes, of which the first `valid` elements exist and the others are zero, in accesses
// of kVector elements.
template <int kVector, class T>
PLANISH_DEVICE void copy_chunk(Shared<T> to, int i, const T* from, int valid) {
  constexpr int kChunk = 16 / static_cast<int>(sizeof(T));
  constexpr int kBytes = kVector * static_cast<int>(sizeof(T));
  if constexpr (kBytes >= 16) {
    copy_async<16>(to, i, from, valid * static_cast<int>(sizeof(T)));
  } else if constexpr (kBytes >= 4) {
    PLANISH_UNROLL
    for (int v = 0; v < kChunk; v += kVector) {
      const int left = most(0, least(kVector, valid - v));
      copy_async<kBytes>(to, i + v, from + v, left * static_cast<int>(sizeof(T)));
    }
  } else {
    Pack<T, kChunk> pack;
    PLANISH_UNROLL
    for (int v = 0; v < kChunk; ++v) pack.at[v] = v < valid ? load(from + v) : T{};
    to.template set_pack<kChunk>(i, pack);
  }
}

}  // namespace mma_detail

// Copies kRows x kColumns elements of a matrix in global memory, whose rows are contiguous, to a
// stage.
template <class T, int kRows, int kColumns, int kThreads, int kVector>
struct TileCopy {
  static constexpr int kChunk = 16 / static_cast<int>(sizeof(T));
  static constexpr int kChunks = kColumns / kChunk;
  static_assert(kColumns % kChunk == 0, "rows of a stage are whole chunks of 16 bytes");

  // `from` is the element (row 0, column 0) of the tile; `rows` and `columns` of it exist, the rest
  // is filled with zeros.
  static PLANISH_DEVICE void copy(Shared<T> stage, const T* from, i64 stride, int rows,
                                  int columns) {
    PLANISH_UNROLL
    for (int first = 0; first < kRows * kChunks; first += kThreads) {
      const int i = first + static_cast<int>(thread_index());
      if (kRows * kChunks % kThreads != 0 && i >= kRows * kChunks) break;
      const int row = i / kChunks;
      const int chunk = i % kChunks;
      const int valid = row < rows ? most(0, least(kChunk, columns - chunk * kChunk)) : 0;
      const T* at = from + (valid > 0 ? row * stride + chunk * kChunk : 0);
      mma_detail::copy_chunk<kVector>(
          stage, row * kColumns + mma_detail::place<kChunks>(row, chunk) * kChunk, at, valid);
    }
  }
};

template <class Config>
struct MmaTile {
  using T = typename Config::Input;
  static constexpr bool kIntegers = sizeof(T) == 1;
  using Sum = Choose<kIntegers, i32, float>;
  static constexpr int kTileM = Config::kTileM, kTileN = Config::kTileN, kTileK = Config::kTileK;
  static constexpr int kWarpsM = Config::kWarpsM, kWarpsN = Config::kWarpsN;
  static constexpr int kWarpsK = Config::kWarpsK, kStages = Config::kStages;
  static constexpr bool kExact = [] {
    if constexpr (requires { Config::kExact; }) {
      return Config::kExact && kSame<T, f32>;
    } else {
      return false;
    }
  }();
  static constexpr bool kWarpgroup = [] {
    if constexpr (requires { Config::kWarpgroup; }) {
      return Config::kWarpgroup;
    } else {
      return false;
    }
  }();
  static constexpr int kCluster = [] {
    if constexpr (requires { Config::kCluster; }) {
      return Config::kCluster;
    } else {
      return 1;
    }
  }();
  static constexpr int kWarps = kWarpsM * kWarpsN * kWarpsK;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kGroupThreads = 32 * kWarpsM * kWarpsN;  // that hold C once
  static constexpr int kWarpM = kTileM / kWarpsM, kWarpN = kTileN / kWarpsN;
  static constexpr int kChunk = 16 / static_cast<int>(sizeof(T));
  static constexpr int kStepK = 2 * kChunk;  // of one matrix instruction
  static constexpr int kSteps = kTileK / kStepK / kWarpsK;
  static constexpr int kMmaM = kWarpM / 16, kMmaN = kWarpN / 8;
  static constexpr int kStageA = kTileM * kTileK, kStageB = kTileN * kTileK;  // elements
  static constexpr int kRingBytes = kStages * (kStageA + kStageB) * static_cast<int>(sizeof(T));
  static constexpr int kRowStride = kWarpN + 8;  // of the staging for the epilogue
  static constexpr int kStagingBytes = kWarpsM * kWarpsN * 16 * kRowStride * 4;
  static constexpr int kReduceBytes = (kWarpsK - 1) * kTileM * kTileN * 4;
  static constexpr int kClusterBytes = kCluster > 1 ? kTileM*(kTileN + 8) * 4 : 0;
  static constexpr int kSharedBytes =
      most(most(kRingBytes, kClusterBytes), most(kStagingBytes, kReduceBytes));

  static_assert(kWarpM % 16 == 0 && kWarpN % 16 == 0, "a warp's part is a multiple of 16 x 16");
  static_assert(kTileK % (kStepK * kWarpsK) == 0,
                "a step is whole instructions for each of its warps");
  static_assert(kTileK * static_cast<int>(sizeof(T)) >= 64, "a step has at least 64 bytes of K");
  static_assert(kStages >= 2, "the ring has at least two stages");
  static_assert(!kIntegers || (Config::kMajorKA && Config::kMajorKB),
                "8-bit operands are major in K");

  static_assert(!kWarpgroup ||
                    (kIsHalf<T> && kTileK == 64 && kWarpsM % 4 == 0 && kWarpM == 16 &&
                     kWarpsN == 1 && kWarpsK == 1 && Config::kMajorKA && Config::kMajorKB),
                "what a warp group multiplies");

  Sum sums[kMmaM][kMmaN][4];

  static PLANISH_DEVICE Shared<T> stage_a(int stage) {
    return shared_array<T>(static_cast<u32>(stage * kStageA * static_cast<int>(sizeof(T))));
  }
  // The elements of B may differ in sign only.
  static PLANISH_DEVICE Shared<T> stage_b(int stage) {
    return shared_array<T>(
        static_cast<u32>((kStages * kStageA + stage * kStageB) * static_cast<int>(sizeof(T))));
  }
  static PLANISH_DEVICE int warp_m() { return static_cast<int>(warp_index()) % kWarpsM; }
  static PLANISH_DEVICE int warp_n() { return static_cast<int>(warp_index()) / kWarpsM % kWarpsN; }
  static PLANISH_DEVICE int warp_k() {
    return static_cast<int>(warp_index()) / (kWarpsM * kWarpsN);
  }

  PLANISH_DEVICE void clear() {
    PLANISH_UNROLL
    for (int i = 0; i < kMmaM; ++i) {
      PLANISH_UNROLL
      for (int j = 0; j < kMmaN; ++j) {
        PLANISH_UNROLL
        for (int e = 0; e < 4; ++e) sums[i][j][e] = 0;
      }
    }
  }

  // Sixteen rows of A from `row`, one instruction's K from `k`.
  static PLANISH_DEVICE void read_a(u32 (&a)[4], Shared<T> stage, int row, int k) {
    const int lane = static_cast<int>(lane_index());
    const int matrix = lane / 8;
    if constexpr (Config::kMajorKA) {
      constexpr int kChunks = kTileK / kChunk;
      const int r = row + matrix % 2 * 8 + lane % 8;
      const int chunk = k / kChunk + matrix / 2;
      load_matrix(a, stage, r * kTileK + mma_detail::place<kChunks>(r, chunk) * kChunk);
    } else if constexpr (sizeof(T) == 2) {
      constexpr int kChunks = kTileM / kChunk;
      const int r = k + matrix / 2 * 8 + lane % 8;
      const int chunk = row / kChunk + matrix % 2;
      load_matrix_transposed(a, stage, r * kTileM + mma_detail::place<kChunks>(r, chunk) * kChunk);
    } else {
      PLANISH_UNROLL
      for (int e = 0; e < 4; ++e) {
        a[e] = float_bits(
            element<kTileM>(stage, k + lane % 4 + e / 2 * 4, row + lane / 4 + e % 2 * 8));
      }
    }
    round(a);
  }
  // Sixteen columns of B from `column`: two instructions' operands.
  static PLANISH_DEVICE void read_b(u32 (&b)[2][2], Shared<T> stage, int column, int k) {
    const int lane = static_cast<int>(lane_index());
    const int matrix = lane / 8;
    u32 all[4];
    if constexpr (Config::kMajorKB) {
      constexpr int kChunks = kTileK / kChunk;
      const int r = column + matrix / 2 * 8 + lane % 8;
      const int chunk = k / kChunk + matrix % 2;
      load_matrix(all, stage, r * kTileK + mma_detail::place<kChunks>(r, chunk) * kChunk);
    } else if constexpr (sizeof(T) == 2) {
      constexpr int kChunks = kTileN / kChunk;
      const int r = k + matrix % 2 * 8 + lane % 8;
      const int chunk = column / kChunk + matrix / 2;
      load_matrix_transposed(all, stage,
                             r * kTileN + mma_detail::place<kChunks>(r, chunk) * kChunk);
    } else {
      PLANISH_UNROLL
      for (int e = 0; e < 4; ++e) {
        all[e] = float_bits(
            element<kTileN>(stage, k + lane % 4 + e % 2 * 4, column + lane / 4 + e / 2 * 8));
      }
    }
    round(all);
    PLANISH_UNROLL
    for (int e = 0; e < 4; ++e) b[e / 2][e % 2] = all[e];
  }

  // Adds the product of one stage.
  PLANISH_DEVICE void multiply(int stage) {
    const Shared<T> a_stage = stage_a(stage);
    const Shared<T> b_stage = stage_b(stage);
    PLANISH_UNROLL
    for (int step = 0; step < kSteps; ++step) {
      const int k = (step * kWarpsK + warp_k()) * kStepK;
      u32 a[kMmaM][4];
      u32 b[kMmaN / 2][2][2];
      PLANISH_UNROLL
      for (int i = 0; i < kMmaM; ++i) read_a(a[i], a_stage, warp_m() * kWarpM + 16 * i, k);
      PLANISH_UNROLL
      for (int j = 0; j < kMmaN / 2; ++j) read_b(b[j], b_stage, warp_n() * kWarpN + 16 * j, k);
      if constexpr (kExact) {
        multiply_exactly(a, b);
      } else {
        PLANISH_UNROLL
        for (int i = 0; i < kMmaM; ++i) {
          PLANISH_UNROLL
          for (int j = 0; j < kMmaN; ++j) mma(T{}, sums[i][j], a[i], b[j / 2][j % 2]);
        }
      }
    }
  }

  // The whole product of `steps` steps: load_a(stage, step) and load_b(stage, step) begin the
  // copies of a step. B is copied ahead of the wait for the predecessor if it is weights. begin()
  // is called when the first copies are under way.
  template <bool kConstantB, class LoadA, class LoadB, class Begin>
  PLANISH_DEVICE void run(int steps, LoadA load_a, LoadB load_b, Begin begin) {
    clear();
    if constexpr (kConstantB) {
      PLANISH_UNROLL
      for (int s = 0; s < kStages - 1; ++s) {
        if (s < steps) load_b(stage_b(s), s);
      }
    }
    wait_for_predecessor();
    PLANISH_UNROLL
    for (int s = 0; s < kStages - 1; ++s) {
      if (s < steps) {
        if constexpr (!kConstantB) load_b(stage_b(s), s);
        load_a(stage_a(s), s);
      }
      commit_copies();
    }
    begin();
    int stage = 0;
    int filled = kStages - 1;
    WarpgroupUnit unit;
    for (int step = 0; step < steps; ++step) {
      wait_copies<kStages - 2>();
      if constexpr (kWarpgroup) WarpgroupUnit::publish();
      sync_block();
      if constexpr (kWarpgroup) multiply_together(unit, stage);
      const int next = step + kStages - 1;
      if (next < steps) {
        load_a(stage_a(filled), next);
        load_b(stage_b(filled), next);
      }
      commit_copies();
      if constexpr (kWarpgroup) {
        unit.template wait<0>();
      } else {
        multiply(stage);
      }
      stage = stage + 1 == kStages ? 0 : stage + 1;
      filled = filled + 1 == kStages ? 0 : filled + 1;
    }
    wait_copies<0>();
    sync_block();
    if constexpr (kWarpsK > 1) join_warps();
  }

  // Adds up the parts of the warps that share a tile; those with warp_k() 0 hold the result.
  PLANISH_DEVICE void join_warps() {
    const Shared<Sum> room = shared_array<Sum>(0);
    constexpr int kSums = kMmaM * kMmaN * 4;
    const int thread = static_cast<int>(thread_index()) % kGroupThreads;
    PLANISH_UNROLL
    for (int e = 0; e < kSums; ++e) {
      if (warp_k() > 0) {
        room.set(((warp_k() - 1) * kSums + e) * kGroupThreads + thread,
                 sums[e / (4 * kMmaN)][e / 4 % kMmaN][e % 4]);
      }
    }
    sync_block();
    if (warp_k() == 0) {
      PLANISH_UNROLL
      for (int other = 0; other < kWarpsK - 1; ++other) {
        PLANISH_UNROLL
        for (int e = 0; e < kSums; ++e) {
          sums[e / (4 * kMmaN)][e / 4 % kMmaN][e % 4] +=
              room.get((other * kSums + e) * kGroupThreads + thread);
        }
      }
    }
    sync_block();
  }

  // Splits of K over blocks. Every block of a tile leaves its part at `parts` and takes a ticket;
  // the one that takes the last adds all up, in the order of the splits, and leaves the counter at
  // zero. Returns whether this block is that one.
  PLANISH_DEVICE bool join_splits(Sum* parts, i32* counter, int split, int splits) {
    constexpr int kSums = kMmaM * kMmaN;
    constexpr i64 kPart = static_cast<i64>(kSums) * kGroupThreads * 4;
    const int thread = static_cast<int>(thread_index());
    if (warp_k() == 0) {
      PLANISH_UNROLL
      for (int e = 0; e < kSums; ++e) {
        Pack<Sum, 4> four;
        PLANISH_UNROLL
        for (int i = 0; i < 4; ++i) four.at[i] = sums[e / kMmaN][e % kMmaN][i];
        store_pack(parts + split * kPart + static_cast<i64>(e * kGroupThreads + thread) * 4, four);
      }
    }
    if (!take_last_ticket(counter, splits)) return false;
    if (warp_k() != 0) return true;
    clear();
    for (int s = 0; s < splits; ++s) {
      PLANISH_UNROLL
      for (int e = 0; e < kSums; ++e) {
        const auto four = load_fresh(reinterpret_cast<const Pack<Sum, 4>*>(
            parts + s * kPart + static_cast<i64>(e * kGroupThreads + thread) * 4));
        PLANISH_UNROLL
        for (int i = 0; i < 4; ++i) sums[e / kMmaN][e % kMmaN][i] += four.at[i];
      }
    }
    return true;
  }

  // Hands a tile out in rows of eight neighbouring columns, both counted from the tile's corner:
  //   Writer::Columns, fetch_columns(column, columns)  what is the same for all rows
  //   Writer::Row, fetch(row, column, held)            what to read for a row
  //   write(columns, held, x)
  // begin() may be called by all threads once memory of the predecessors may be read, finish()
  // after run(). A few rows a thread are fetched at begin(), so that they arrive under the product.
  template <class Writer>
  class Finisher {
   public:
    PLANISH_DEVICE explicit Finisher(const Writer& writer) : writer_(writer) {}

    PLANISH_DEVICE void begin() {
      if constexpr (!kIsEarly) return;
      if constexpr (kCluster > 1) {
        fetch_item(first_item(), rows_[0]);
      } else if (warp_k() == 0 && takes_part()) {
        writer_.fetch_columns(column(), columns_);
        PLANISH_UNROLL
        for (int i = 0; i < kMmaM; ++i) fetch_rows(i, 0, kTurns, &rows_[i * kTurns]);
      }
    }

    PLANISH_DEVICE void finish(MmaTile& product) {
      if constexpr (kCluster > 1) {
        finish_cluster(product);
      } else {
        finish_block(product);
      }
    }

   private:
    static constexpr int kRowLanes = kWarpN / 8;
    static constexpr int kRows = least(16, 32 / kRowLanes);  // written at once
    static constexpr int kTurns = ceil_div(16, kRows);
    static constexpr int kHeld = least(kTurns, 8);  // turns whose operands are fetched together
    // Of the splits that meet in memory only the last block writes.
    static constexpr bool kIsEarly = kCluster > 1 || (!Config::kSplit && kMmaM * kTurns <= 4);
    static constexpr int kEarly = kCluster > 1 ? 1 : kIsEarly ? kMmaM* kTurns : 1;

    static PLANISH_DEVICE bool takes_part() {
      return static_cast<int>(lane_index()) / kRowLanes < kRows;
    }
    static PLANISH_DEVICE int column() {
      return warp_n() * kWarpN + static_cast<int>(lane_index()) % kRowLanes * 8;
    }
    static PLANISH_DEVICE int row(int turn) {
      return turn * kRows + static_cast<int>(lane_index()) / kRowLanes;
    }
    PLANISH_DEVICE void fetch_rows(int i, int first, int count, typename Writer::Row* held) const {
      PLANISH_UNROLL
      for (int turn = 0; turn < count; ++turn) {
        if (takes_part() && row(first + turn) < 16)
          writer_.fetch(warp_m() * kWarpM + 16 * i + row(first + turn), column(), held[turn]);
      }
    }

    PLANISH_DEVICE void finish_block(MmaTile& product) {
      if (warp_k() != 0) return;
      const Shared<Sum> staging = shared_array<Sum>(
          static_cast<u32>(warp_index() * 16 * kRowStride * static_cast<u32>(sizeof(Sum))));
      if (!kIsEarly && takes_part()) writer_.fetch_columns(column(), columns_);
      PLANISH_UNROLL
      for (int i = 0; i < kMmaM; ++i) {
        PLANISH_UNROLL
        for (int first = 0; first < kTurns; first += kHeld) {
          typename Writer::Row held[kHeld];
          if constexpr (!kIsEarly) fetch_rows(i, first, kHeld, held);
          if (first == 0) product.stage_rows(staging, i);
          PLANISH_UNROLL
          for (int turn = 0; turn < kHeld; ++turn) {
            if (!takes_part() || row(first + turn) >= 16) continue;
            Sum x[8];
            PLANISH_UNROLL
            for (int part = 0; part < 2; ++part) {
              const auto four = staging.template get_pack<4>(row(first + turn) * kRowStride +
                                                             column() % kWarpN + 4 * part);
              PLANISH_UNROLL
              for (int e = 0; e < 4; ++e) x[4 * part + e] = four.at[e];
            }
            if constexpr (kIsEarly) {
              writer_.write(columns_, rows_[i * kTurns + first + turn], x);
            } else {
              writer_.write(columns_, held[turn], x);
            }
          }
        }
      }
    }

    static constexpr int kColumns = kTileN / 8;
    static constexpr int kItems = kTileM * kColumns;
    static PLANISH_DEVICE int first_item() {
      return static_cast<int>(block_y()) % kCluster * kThreads + static_cast<int>(thread_index());
    }
    PLANISH_DEVICE void fetch_item(int item, typename Writer::Row& held) {
      if (item >= kItems) return;
      writer_.fetch_columns(item % kColumns * 8, columns_);
      writer_.fetch(item / kColumns, item % kColumns * 8, held);
    }

    // Splits of K over the blocks of a cluster: each adds up and writes its share of the rows,
    // reading the parts of all from their shared memory.
    PLANISH_DEVICE void finish_cluster(MmaTile& product) {
      constexpr int kStride = kTileN + 8;
      const Shared<Sum> tile = shared_array<Sum>(0);
      product.stage_tile(tile, kStride);
      sync_cluster(kCluster);
      for (int item = first_item(); item < kItems; item += kThreads * kCluster) {
        const int at = item / kColumns * kStride + item % kColumns * 8;
        Pack<Sum, 4> parts[kCluster][2];
        PLANISH_UNROLL
        for (int s = 0; s < kCluster; ++s) {
          PLANISH_UNROLL
          for (int part = 0; part < 2; ++part)
            parts[s][part] = load_from_block(tile, at + 4 * part, static_cast<u32>(s), kCluster);
        }
        Sum x[8] = {};
        PLANISH_UNROLL
        for (int s = 0; s < kCluster; ++s) {
          PLANISH_UNROLL
          for (int e = 0; e < 8; ++e) x[e] += parts[s][e / 4].at[e % 4];
        }
        writer_.write(columns_, rows_[0], x);
        fetch_item(item + kThreads * kCluster, rows_[0]);
      }
      // No block leaves while others read its memory.
      sync_cluster(kCluster);
    }

    Writer writer_;
    typename Writer::Columns columns_;
    typename Writer::Row rows_[kEarly];
  };

 private:
  // Sixteen rows of a warp's part of C.
  PLANISH_DEVICE void stage_rows(Shared<Sum> staging, int i) {
    const int lane = static_cast<int>(lane_index());
    sync_warp();
    PLANISH_UNROLL
    for (int j = 0; j < kMmaN; ++j) {
      PLANISH_UNROLL
      for (int half = 0; half < 2; ++half) {
        const Pack<Sum, 2> two{{sums[i][j][2 * half], sums[i][j][2 * half + 1]}};
        staging.template set_pack<2>((lane / 4 + 8 * half) * kRowStride + 8 * j + lane % 4 * 2,
                                     two);
      }
    }
    sync_warp();
  }
  PLANISH_DEVICE void stage_tile(Shared<Sum> tile, int stride) {
    const int lane = static_cast<int>(lane_index());
    if (warp_k() != 0) return;
    PLANISH_UNROLL
    for (int e = 0; e < kMmaM * kMmaN * 2; ++e) {
      const int i = e / (2 * kMmaN), j = e / 2 % kMmaN, half = e % 2;
      const Pack<Sum, 2> two{{sums[i][j][2 * half], sums[i][j][2 * half + 1]}};
      const int row = warp_m() * kWarpM + 16 * i + 8 * half + lane / 4;
      tile.template set_pack<2>(row * stride + warp_n() * kWarpN + 8 * j + lane % 4 * 2, two);
    }
  }
  // Begins the product of one stage.
  PLANISH_DEVICE void multiply_together(WarpgroupUnit& unit, int stage) {
    const int first = static_cast<int>(warp_index()) / 4 * 64 * kTileK;
    unit.accept();
    PLANISH_UNROLL
    for (int k = 0; k < kTileK; k += 16)
      unit.template multiply<kTileN>(sums[0], stage_a(stage), first + k, stage_b(stage), k);
    unit.commit();
  }
  // One element of a stage whose rows are K and hold kColumns elements of 4 bytes.
  template <int kColumns>
  static PLANISH_DEVICE float element(Shared<T> stage, int k, int column) {
    constexpr int kChunks = kColumns / kChunk;
    return stage.get(k * kColumns + mma_detail::place<kChunks>(k, column / kChunk) * kChunk +
                     column % kChunk);
  }
  static PLANISH_DEVICE void round(u32 (&x)[4]) {
    if constexpr (kSame<T, f32> && !kExact) {
      PLANISH_UNROLL
      for (int e = 0; e < 4; ++e) x[e] = to_tf32(float_of_bits(x[e]));
    }
  }
  // A float as the sum of two TF32 numbers.
  template <int kCount>
  static PLANISH_DEVICE void divide(const u32 (&x)[kCount], u32 (&high)[kCount],
                                    u32 (&low)[kCount]) {
    PLANISH_UNROLL
    for (int e = 0; e < kCount; ++e) {
      const float whole = float_of_bits(x[e]);
      // The bits that TF32 does not have may hold anything after the conversion.
      high[e] = to_tf32(whole) & 0xffffe000u;
      // The largest numbers round up to infinity: they are cut instead.
      if (finite(high[e]) == 0) high[e] = x[e] & (finite(x[e]) == 0 ? ~0u : 0xffffe000u);
      const float rest = whole - float_of_bits(high[e]);
      // Of infinities and NaN nothing is left.
      low[e] = rest == rest ? to_tf32(rest) : 0;
    }
  }
  // Zero in place of infinities and NaN, whose products with an empty low part would be NaN.
  static PLANISH_DEVICE u32 finite(u32 x) { return (x & 0x7f800000u) == 0x7f800000u ? 0 : x; }
  PLANISH_DEVICE void multiply_exactly(const u32 (&a)[kMmaM][4], const u32 (&b)[kMmaN / 2][2][2]) {
    u32 b_high[kMmaN][2], b_low[kMmaN][2];
    PLANISH_UNROLL
    for (int j = 0; j < kMmaN; ++j) divide(b[j / 2][j % 2], b_high[j], b_low[j]);
    PLANISH_UNROLL
    for (int i = 0; i < kMmaM; ++i) {
      u32 a_high[4], a_low[4];
      divide(a[i], a_high, a_low);
      PLANISH_UNROLL
      for (int j = 0; j < kMmaN; ++j) {
        const u32 b_finite[2] = {finite(b_high[j][0]), finite(b_high[j][1])};
        const u32 a_finite[4] = {finite(a_high[0]), finite(a_high[1]), finite(a_high[2]),
                                 finite(a_high[3])};
        // The matrix units cut what they add to a sum; added here it is rounded.
        float part[4] = {};
        mma(T{}, part, a_low, b_finite);
        mma(T{}, part, a_finite, b_low[j]);
        mma(T{}, part, a_high, b_high[j]);
        PLANISH_UNROLL
        for (int e = 0; e < 4; ++e) sums[i][j][e] += part[e];
      }
    }
  }
};

}  // namespace planish
