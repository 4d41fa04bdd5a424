// SPDX-License-Identifier: Apache-2.0
#pragma once

// Folding a dense run of floats, for .isa.cc files: reductions, softmax, normalisation.

#include "backend/cpu/kernels/math.h"

namespace planish::cpu::PLANISH_ISA {

// Lanes 0 .. n-1.
PLANISH_INLINE Mask first_lanes(int64_t n) {
  alignas(64) static constexpr float kIndex[16] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                   8, 9, 10, 11, 12, 13, 14, 15};
  return lt(Vec::load(kIndex), Vec::broadcast(static_cast<float>(n)));
}

// The lanes folded by `combine`, which takes two floats.
template <class Combine>
PLANISH_INLINE float fold_lanes(Vec v, Combine combine) {
  alignas(64) float lane[kLanes];
  v.store(lane);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lane[i] = combine(lane[i], lane[i + width]);
  }
  return lane[0];
}

// Folds map(x[0]) .. map(x[n-1]) with four vectors of partial results. `combine` takes Vecs and is
// associative enough; `start` is neutral to it.
template <class Map, class Combine>
PLANISH_INLINE Vec fold_run(const float* x, int64_t n, float start, Map map, Combine combine) {
  const Vec neutral = Vec::broadcast(start);
  Vec a = neutral, b = neutral, c = neutral, d = neutral;
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    a = combine(a, map(Vec::load(x + i)));
    b = combine(b, map(Vec::load(x + i + kLanes)));
    c = combine(c, map(Vec::load(x + i + 2 * kLanes)));
    d = combine(d, map(Vec::load(x + i + 3 * kLanes)));
  }
  for (; i + kLanes <= n; i += kLanes) a = combine(a, map(Vec::load(x + i)));
  if (i < n) {
    const Vec tail = map(Vec::load_part(x + i, static_cast<int>(n - i)));
    b = combine(b, select(first_lanes(n - i), tail, neutral));
  }
  return combine(combine(a, b), combine(c, d));
}

// Elements that are summed in f32 before the sum moves on to a double.
inline constexpr int64_t kSumChunk = 256 * kLanes;

template <class Map>
PLANISH_INLINE double sum_run(const float* x, int64_t n, Map map) {
  const auto plus = [](Vec a, Vec b) { return a + b; };
  double total = 0;
  for (int64_t i = 0; i < n; i += kSumChunk) {
    total += sum(fold_run(x + i, least(kSumChunk, n - i), 0.0f, map, plus));
  }
  return total;
}

}  // namespace planish::cpu::PLANISH_ISA
