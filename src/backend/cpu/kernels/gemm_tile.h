// SPDX-License-Identifier: Apache-2.0
#pragma once

// The tile in registers: `kRows` rows of A times a panel of `kVecs` vectors of B's columns; for
// .isa.cc files.

#include "backend/cpu/kernels/gemm_block.h"
#include "backend/cpu/kernels/vec.h"

namespace planish::cpu::PLANISH_ISA {

// Accumulators, one or two vectors of B and one element of A fill the registers.
#if defined(__AVX512F__)
inline constexpr int kMaxRows = 14;
#elif defined(__AVX2__)
inline constexpr int kMaxRows = 6;
#else
inline constexpr int kMaxRows = 4;
#endif
inline constexpr int kPanel = 2 * kLanes;

// c = clip(alpha * sum + bias + row_bias + add), `cols` columns of it.
struct Tile {
  const float* a;
  int64_t a_row, a_step;
  const Segment* segments;
  int64_t segment_count;
  const float* b;
  int64_t b_step;
  float* c;
  int64_t c_row;
  int64_t cols;
  const float* bias;
  const float* row_bias;
  const float* add;
  int64_t add_row;
  float alpha;
  bool clip;
  float low, high;
};

// The addresses of kRows rows as one pointer for three rows each: the second and third are reached
// by scaled indices, so all of them fit into registers.
template <int kRows>
struct RowPointers {
  const float* p[(kRows + 2) / 3];
  int64_t row;

  PLANISH_INLINE RowPointers(const float* a, int64_t a_row) : row(a_row) {
#pragma GCC unroll 16
    for (int g = 0; g < (kRows + 2) / 3; ++g) p[g] = a + 3 * g * a_row;
  }
  PLANISH_INLINE float at(int r) const { return p[r / 3][(r % 3) * row]; }
  PLANISH_INLINE void advance(int64_t step) {
#pragma GCC unroll 16
    for (int g = 0; g < (kRows + 2) / 3; ++g) {
      p[g] += step;
      // Keeps the compiler from turning the pointers into one counter and kRows spilled bases.
      asm("" : "+r"(p[g]));
    }
  }
};

template <int kRows, int kVecs>
PLANISH_INLINE void accumulate_row_of_b(Vec (&acc)[kRows][kVecs], const RowPointers<kRows>& a,
                                        const float* b) {
  Vec bv[kVecs];
#pragma GCC unroll 16
  for (int v = 0; v < kVecs; ++v) bv[v] = Vec::load(b + v * kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const Vec x = Vec::broadcast(a.at(r));
#pragma GCC unroll 16
    for (int v = 0; v < kVecs; ++v) acc[r][v] = fma(x, bv[v], acc[r][v]);
  }
}

// Few rows have too few accumulators to hide the latency of the additions: odd and even k get their
// own.
inline constexpr int kFewRows = 3;

template <int kRows, int kVecs, int kSteps>
PLANISH_INLINE void accumulate(const Tile& t, Vec (&acc)[kRows][kVecs]) {
  Vec part[kSteps][kRows][kVecs];
#pragma GCC unroll 16
  for (int s = 0; s < kSteps; ++s) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVecs; ++v) part[s][r][v] = zero();
    }
  }
  const float* b = t.b;
  const int64_t a_step = t.a_step, b_step = t.b_step;
  for (int64_t i = 0; i < t.segment_count; ++i) {
    RowPointers<kRows> a(t.a + t.segments[i].offset, t.a_row);
    int64_t k = t.segments[i].length;
    for (; k >= kSteps; k -= kSteps) {
#pragma GCC unroll 16
      for (int s = 0; s < kSteps; ++s) {
        accumulate_row_of_b<kRows, kVecs>(part[s], a, b);
        a.advance(a_step);
        b += b_step;
      }
    }
    for (; kSteps > 1 && k > 0; --k) {
      accumulate_row_of_b<kRows, kVecs>(part[0], a, b);
      a.advance(a_step);
      b += b_step;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVecs; ++v) {
      acc[r][v] = part[0][r][v];
      if constexpr (kSteps == 2) acc[r][v] = acc[r][v] + part[1][r][v];
    }
  }
}

template <bool whole>
PLANISH_INLINE Vec load_if(const float* p, int n) {
  return whole ? Vec::load(p) : Vec::load_part(p, n);
}

// `whole`: the last vector of columns has all its lanes; else `last` of them.
template <int kRows, int kVecs, bool whole>
PLANISH_INLINE void finish(const Tile& t, Vec (&acc)[kRows][kVecs], int last) {
  if (t.alpha != 1.0f) {
    const Vec alpha = Vec::broadcast(t.alpha);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVecs; ++v) acc[r][v] = acc[r][v] * alpha;
    }
  }
  if (t.bias != nullptr) {
#pragma GCC unroll 16
    for (int v = 0; v < kVecs; ++v) {
      const Vec bias = v + 1 < kVecs ? Vec::load(t.bias + v * kLanes)
                                     : load_if<whole>(t.bias + v * kLanes, last);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) acc[r][v] = acc[r][v] + bias;
    }
  }
  if (t.row_bias != nullptr) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vec bias = Vec::broadcast(t.row_bias[r]);
#pragma GCC unroll 16
      for (int v = 0; v < kVecs; ++v) acc[r][v] = acc[r][v] + bias;
    }
  }
  if (t.add != nullptr) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const float* add = t.add + r * t.add_row;
#pragma GCC unroll 16
      for (int v = 0; v < kVecs; ++v) {
        acc[r][v] = acc[r][v] + (v + 1 < kVecs ? Vec::load(add + v * kLanes)
                                               : load_if<whole>(add + v * kLanes, last));
      }
    }
  }
  if (t.clip) {
    const Vec low = Vec::broadcast(t.low), high = Vec::broadcast(t.high);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVecs; ++v) acc[r][v] = clamp(acc[r][v], low, high);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    float* c = t.c + r * t.c_row;
#pragma GCC unroll 16
    for (int v = 0; v < kVecs; ++v) {
      if (whole || v + 1 < kVecs) {
        acc[r][v].store(c + v * kLanes);
      } else {
        acc[r][v].store_part(c + v * kLanes, last);
      }
    }
  }
}

template <int kRows, int kVecs>
void compute_tile(const Tile& t) {
  Vec acc[kRows][kVecs];
  accumulate<kRows, kVecs, (kRows <= kFewRows ? 2 : 1)>(t, acc);
  const int last = static_cast<int>(t.cols) - (kVecs - 1) * kLanes;
  if (last == kLanes) {
    finish<kRows, kVecs, true>(t, acc, kLanes);
  } else {
    finish<kRows, kVecs, false>(t, acc, last);
  }
}

}  // namespace planish::cpu::PLANISH_ISA
