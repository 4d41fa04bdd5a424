// SPDX-License-Identifier: Apache-2.0
// Tile sizes of a product on the matrix units (kernels/mma_tile.cuh), in the order of a cost model:
// what a block's steps cost in matrix instructions, in bytes from L2 and in latency, times the
// waves of blocks. The best few are offered to the tuner.
#pragma once

#include <cstdint>
#include <string>

#include "backend/cuda/compile/lowering.h"

namespace planish::cuda {

struct MmaProblem {
  int64_t m = 1;  // rows and columns of the result, estimated where they are symbolic
  int64_t n = 1;
  int64_t k = 1;
  int64_t batches = 1;
  DType type = DType::kF16;
  bool is_exact = false;    // float32 as three products
  bool is_major_kb = true;  // K is the contiguous axis of B
  bool may_split = true;    // sizes are fixed, so K may be split over blocks
};

struct MmaChoice {
  int tile_m = 64, tile_n = 64, tile_k = 32, stages = 4;
  int warps_m = 2, warps_n = 2, warps_k = 1;
  int splits = 1;
  int64_t k_split = 0;        // K of one split
  bool is_together = false;   // by warp groups (sm_90a)
  bool is_clustered = false;  // the splits are a cluster (sm_90)

  int threads() const { return 32 * warps_m * warps_n * warps_k; }
  int64_t shared_bytes(int element_bytes) const;
  // Whether splits meet in memory, with counters.
  bool has_parts() const { return splits > 1 && !is_clustered; }
  // The members of Config that name them.
  std::string text(const MmaProblem& problem) const;
  // What stands between extern "C" and void.
  std::string entry() const;
  // "64x128x32, 4 stages, 2 splits of K"
  std::string name() const;
  // "mma-64x128x32-s4-k2": for timing caches.
  std::string id() const;
};

// The tactic that the lowering wants, else the cheapest by the cost model; offers the best few.
MmaChoice choose_mma(const MmaProblem& problem, Lowering& lowering);

// Whether the targets' matrix units take the type: f16 all, bf16 and f32 from sm_80 on.
bool has_mma(DType type, const Lowering& lowering);

// An estimate of a size for choices that it only influences.
int64_t typical(const Dim& dim);
int64_t typical(const Dim& dim, const Lowering& lowering);

// The largest of 16 bytes' elements, half of them, ... that divides all sizes.
int vector_of(DType type, std::initializer_list<Dim> sizes);

inline constexpr int64_t kMaxCounters = 8192;  // of a split product, see DeviceSession's zeros

}  // namespace planish::cuda
