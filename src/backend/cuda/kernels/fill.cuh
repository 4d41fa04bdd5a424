// SPDX-License-Identifier: Apache-2.0
// Tensors made by position:
//   pad_kernel      y = x moved within y (or cropped); outside it a value, the edge, x reflected
//                   or x repeated
//   trilu_kernel    y = x where column - row >= diagonal (kUpper) or <= diagonal, else 0
//   one_hot_kernel  y[o, d, i] = index[o, i] == d ? on : off; negative indices count from the end
//
//   struct Config {
//     using Element = u16;                     // any type of the elements' size
//     using Index = i64;                       // one_hot: integers, or f32
//     static constexpr int kRank = 4;          // pad: axes
//     static constexpr int kMode = kPadValue;  // pad: kPadValue, kPadEdge, kPadReflect, kPadWrap
//     static constexpr bool kUpper = true;     // trilu
//   };
// Grid x = ceil(elements of y / threads); threads any. y is dense. Cost: bytes x + y.
#pragma once

#include "expression.cuh"

namespace planish {

inline constexpr int kMaxPadAxes = 8;
inline constexpr int kPadValue = 0;
inline constexpr int kPadEdge = 1;
inline constexpr int kPadReflect = 2;
inline constexpr int kPadWrap = 3;

struct PadParams {
  u64 x;
  u64 y;
  u64 value;  // address of one element; 0 for zero
  i64 size;   // elements of y
  i64 out[kMaxPadAxes];
  i64 in[kMaxPadAxes];
  i64 before[kMaxPadAxes];  // elements of y before those of x; may be negative
  i64 strides[kMaxPadAxes];
};

// The position of x that stands at `at` (counted from its first element), or -1.
template <int kMode>
PLANISH_DEVICE i64 padded_position(i64 at, i64 size) {
  if (at >= 0 && at < size) return at;
  if constexpr (kMode == kPadValue) {
    return -1;
  } else {
    if (size <= 0) return -1;
    if constexpr (kMode == kPadEdge) {
      return at < 0 ? 0 : size - 1;
    } else if constexpr (kMode == kPadReflect) {
      if (size == 1) return 0;
      const i64 period = 2 * (size - 1);
      at %= period;
      if (at < 0) at += period;
      return at < size ? at : period - at;
    } else {
      at %= size;
      return at < 0 ? at + size : at;
    }
  }
}

template <class Config>
PLANISH_DEVICE void pad_kernel(const PadParams& p) {
  using T = typename Config::Element;
  release_successor();
  wait_for_predecessor();
  const i64 item = static_cast<i64>(block_x()) * block_threads() + thread_index();
  if (item >= p.size) return;
  i64 rest = item;
  i64 offset = 0;
  bool is_inside = true;
  PLANISH_UNROLL
  for (int axis = Config::kRank - 1; axis >= 0; --axis) {
    const i64 above = axis > 0 ? rest / p.out[axis] : 0;
    const i64 at =
        padded_position<Config::kMode>(rest - above * p.out[axis] - p.before[axis], p.in[axis]);
    is_inside = is_inside && at >= 0;
    offset += at * p.strides[axis];
    rest = above;
  }
  T value{};
  if (is_inside) {
    value = load(pointer<const T>(p.x) + offset);
  } else if (p.value != 0) {
    value = load(pointer<const T>(p.value));
  }
  store(pointer<T>(p.y) + item, value);
}

struct TriluParams {
  u64 x;
  u64 y;
  i64 size;
  i64 rows;
  i64 columns;
  i64 diagonal;
};

template <class Config>
PLANISH_DEVICE void trilu_kernel(const TriluParams& p) {
  using T = typename Config::Element;
  release_successor();
  wait_for_predecessor();
  const i64 item = static_cast<i64>(block_x()) * block_threads() + thread_index();
  if (item >= p.size) return;
  const i64 row = item / p.columns % p.rows;
  const i64 above = item % p.columns - row;
  const bool is_kept = Config::kUpper ? above >= p.diagonal : above <= p.diagonal;
  store(pointer<T>(p.y) + item, is_kept ? load(pointer<const T>(p.x) + item) : T{});
}

struct OneHotParams {
  u64 index;
  u64 values;  // two elements: off, on
  u64 y;
  i64 size;  // elements of y
  i64 depth;
  i64 inner;
};

template <class Config>
PLANISH_DEVICE void one_hot_kernel(const OneHotParams& p) {
  using T = typename Config::Element;
  release_successor();
  wait_for_predecessor();
  const i64 item = static_cast<i64>(block_x()) * block_threads() + thread_index();
  if (item >= p.size) return;
  const i64 o = item / (p.depth * p.inner);
  const i64 d = item / p.inner % p.depth;
  auto index = static_cast<i64>(
      load(pointer<const typename Config::Index>(p.index) + o * p.inner + item % p.inner));
  if (index < 0) index += p.depth;
  store(pointer<T>(p.y) + item, load(pointer<const T>(p.values) + (index == d ? 1 : 0)));
}

}  // namespace planish
