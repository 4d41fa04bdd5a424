// SPDX-License-Identifier: Apache-2.0
// scan_kernel: running sums or products along an axis (CumSum): y[o, i, c] = join of x[o, j, c] for
//   j <= i (j < i if kExclusive; from the end if kReverse). One thread a line (o, c): neighbours
//   take neighbours of c. With inner == 1 and kWarp one warp a line, 32 elements at a time.
// top_k_kernel: the k best of each line in order, with their indices; of equals the first. A block
//   a line. NaN counts as the largest.
//
//   struct Config {
//     using Element = f32;
//     using Number = float;             // computed in: float, double, i64, u64
//     using Join = FoldSum;             // scan: FoldSum, FoldProduct (reduce.cuh)
//     static constexpr bool kExclusive = false, kReverse = false, kWarp = false;   // scan
//     static constexpr bool kLargest = true;    // top_k
//     static constexpr int kWarps = 8;          // top_k: of a block
//   };
// Grid: scan x = ceil(outer * inner / threads) lines, kWarp: lines a warp each; top_k x = outer *
// inner, threads 32 * kWarps, shared memory top_k_shared_bytes().
// Cost: scan bytes x + y; top_k reads the line k times, from cache.
#pragma once

#include "reduce.cuh"

namespace planish {

struct ScanParams {
  u64 x;
  u64 y;
  u64 indices;  // top_k: i64, laid out as y; top_k stores at no address that is 0
  i64 outer;
  i64 length;  // of the axis
  i64 inner;
  i64 k;  // top_k: elements of the axis in y
};

PLANISH_CONSTEXPR i32 top_k_shared_bytes(i32 warps) { return warps * 16; }

template <class Config>
PLANISH_DEVICE void scan_kernel(const ScanParams& p) {
  using T = typename Config::Element;
  using N = typename Config::Number;
  release_successor();
  wait_for_predecessor();
  const i64 item = static_cast<i64>(block_x()) * block_threads() + thread_index();
  const i64 line = Config::kWarp ? item / 32 : item;
  if (line >= p.outer * p.inner) return;
  const i64 first = line / p.inner * p.length * p.inner + line % p.inner;
  const T* x = pointer<const T>(p.x) + first;
  T* y = pointer<T>(p.y) + first;
  N state = Config::Join::template start<N>();
  const auto at = [&](i64 i) { return (Config::kReverse ? p.length - 1 - i : i) * p.inner; };
  if constexpr (!Config::kWarp) {
    for (i64 i = 0; i < p.length; ++i) {
      const N value = static_cast<N>(pointwise::computed(load(x + at(i))));
      const N sum = Config::Join::join(state, value);
      store(y + at(i), pointwise::stored<T>(Config::kExclusive ? state : sum));
      state = sum;
    }
  } else {
    const u32 lane = lane_index();
    for (i64 i = 0; i < p.length; i += 32) {
      const bool is_inside = i + lane < p.length;
      N sum = Config::Join::template start<N>();
      if (is_inside) sum = static_cast<N>(pointwise::computed(load(x + at(i + lane))));
      PLANISH_UNROLL
      for (u32 step = 1; step < 32; step *= 2) {
        const N before = shuffle_up(sum, step);
        if (lane >= step) sum = Config::Join::join(before, sum);
      }
      const N before = shuffle_up(sum, 1);
      const N exclusive = lane == 0 ? state : Config::Join::join(state, before);
      sum = Config::Join::join(state, sum);
      if (is_inside)
        store(y + at(i + lane), pointwise::stored<T>(Config::kExclusive ? exclusive : sum));
      state = shuffle_from(sum, 31);
    }
  }
}

namespace top_k_detail {

// An element and its index; -1: none.
template <class N>
struct Entry {
  N value;
  i64 index;
};

template <class Config, class N>
PLANISH_DEVICE bool precedes(const Entry<N>& a, const Entry<N>& b) {
  const bool a_nan = pointwise::is_nan(a.value);
  const bool b_nan = pointwise::is_nan(b.value);
  if (a_nan != b_nan) return Config::kLargest ? a_nan : b_nan;
  if (!a_nan && a.value != b.value) return Config::kLargest ? a.value > b.value : a.value < b.value;
  return a.index < b.index;
}
template <class Config, class N>
PLANISH_DEVICE Entry<N> better(const Entry<N>& a, const Entry<N>& b) {
  if (a.index < 0) return b;
  if (b.index < 0) return a;
  return precedes<Config>(a, b) ? a : b;
}

}  // namespace top_k_detail

template <class Config>
PLANISH_DEVICE void top_k_kernel(const ScanParams& p) {
  using T = typename Config::Element;
  using N = typename Config::Number;
  using Entry = top_k_detail::Entry<N>;
  release_successor();
  wait_for_predecessor();
  const i64 line = block_x();
  const i64 o = line / p.inner;
  const i64 c = line % p.inner;
  const T* x = pointer<const T>(p.x) + o * p.length * p.inner + c;
  const Shared<i64> indices = shared_array<i64>(0);
  const Shared<N> values = shared_array<N>(Config::kWarps * 8);
  Entry last{N(0), -1};
  for (i64 i = 0; i < p.k; ++i) {
    // The best of those that come after the last one found.
    Entry best{N(0), -1};
    for (i64 at = thread_index(); at < p.length; at += block_threads()) {
      const Entry entry{static_cast<N>(pointwise::computed(load(x + at * p.inner))), at};
      if (last.index < 0 || top_k_detail::precedes<Config>(last, entry)) {
        best = top_k_detail::better<Config>(best, entry);
      }
    }
    PLANISH_UNROLL
    for (u32 step = 16; step > 0; step /= 2) {
      const Entry other{shuffle_xor(best.value, step), shuffle_xor(best.index, step)};
      best = top_k_detail::better<Config>(best, other);
    }
    sync_block();
    if (lane_index() == 0) {
      indices.set(static_cast<int>(warp_index()), best.index);
      values.set(static_cast<int>(warp_index()), best.value);
    }
    sync_block();
    best = {values.get(0), indices.get(0)};
    PLANISH_UNROLL
    for (int w = 1; w < Config::kWarps; ++w) {
      best = top_k_detail::better<Config>(best, Entry{values.get(w), indices.get(w)});
    }
    last = best;
    if (thread_index() == 0 && best.index >= 0) {
      const i64 to = (o * p.k + i) * p.inner + c;
      if (p.y != 0) store(pointer<T>(p.y) + to, load(x + best.index * p.inner));
      if (p.indices != 0) store(pointer<i64>(p.indices) + to, best.index);
    }
  }
}

}  // namespace planish
