// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/pool.h"

#include "backend/cpu/kernels/vec.h"

namespace planish::cpu::PLANISH_ISA {
namespace {

struct Max {
  PLANISH_INLINE static Vec start() { return Vec::broadcast(-__builtin_inff()); }
  PLANISH_INLINE static Vec join(Vec a, Vec b) { return max_nan(a, b); }
  PLANISH_INLINE static Vec finish(Vec v, float) { return v; }
};

struct Sum {
  PLANISH_INLINE static Vec start() { return zero(); }
  PLANISH_INLINE static Vec join(Vec a, Vec b) { return a + b; }
  PLANISH_INLINE static Vec finish(Vec v, float scale) { return v * Vec::broadcast(scale); }
};

// kVecs vectors of channels, the last of n lanes if not `whole`. A row of the window is joined
// first, then the rows: long sums (global pooling) lose less to rounding.
template <class Op, int kVecs, bool whole>
PLANISH_INLINE void reduce(const PoolWindow& w, int64_t c, int n) {
  Vec all[kVecs];
#pragma GCC unroll 8
  for (int v = 0; v < kVecs; ++v) all[v] = Op::start();
  for (int64_t d = 0; d < w.count[0]; ++d) {
    for (int64_t h = 0; h < w.count[1]; ++h) {
      const float* x = w.x + d * w.step[0] + h * w.step[1] + c;
      Vec row[kVecs];
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) row[v] = Op::start();
      for (int64_t i = 0; i < w.count[2]; ++i, x += w.step[2]) {
#pragma GCC unroll 8
        for (int v = 0; v < kVecs; ++v) {
          const float* p = x + v * kLanes;
          row[v] = Op::join(row[v], whole ? Vec::load(p) : Vec::load_part(p, n));
        }
      }
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) all[v] = Op::join(all[v], row[v]);
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < kVecs; ++v) {
    const Vec y = Op::finish(all[v], w.scale);
    if (whole) {
      y.store(w.y + c + v * kLanes);
    } else {
      y.store_part(w.y + c + v * kLanes, n);
    }
  }
}

template <class Op>
void pool_window(const PoolWindow& w) {
  int64_t c = 0;
  for (; c + 4 * kLanes <= w.channels; c += 4 * kLanes) reduce<Op, 4, true>(w, c, kLanes);
  for (; c + kLanes <= w.channels; c += kLanes) reduce<Op, 1, true>(w, c, kLanes);
  if (c < w.channels) reduce<Op, 1, false>(w, c, static_cast<int>(w.channels - c));
}

}  // namespace

const PoolKernels kPoolKernels = {&pool_window<Max>, &pool_window<Sum>};

}  // namespace planish::cpu::PLANISH_ISA
