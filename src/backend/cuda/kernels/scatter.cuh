// SPDX-License-Identifier: Apache-2.0
// Writes updates into y, which holds the data already (a copy made before, or the same memory):
//   scatter_elements_kernel  y[p with index[p] on the axis] = join(y[...], updates[p])
//   scatter_nd_kernel        y[tuple[i], c] = join(y[tuple[i], c], updates[i, c])
// Updates that meet the same element are joined in their order, so results are the same on every
// run: one thread does all that may meet.
//
//   struct Config {
//     using Element = f32; using Index = i64;
//     using Join = JoinSet;              // JoinSet, JoinAdd, JoinMultiply, JoinMax, JoinMin
//     // scatter_elements: axes of index besides the indexed one; scatter_nd: indices of a tuple.
//     static constexpr int kRank = 2;
//   };
// Grid: x = ceil(lines / threads) for scatter_elements (a thread walks along the axis);
// ceil(inner / threads) for scatter_nd (a thread walks over the tuples), and with JoinSet, where
// meeting updates are not allowed, y = ceil(tuples / 64), each walking 64 of them. Threads any.
// Faulty indices: nothing is written, and `site` is stored at `fault`.
// Cost: bytes 3 updates + indices.
#pragma once

#include "gather.cuh"

namespace planish {

struct ScatterParams {
  u64 updates;
  u64 index;
  u64 y;
  u64 fault;
  i64 site;
  i64 lines;   // scatter_elements: product of dims below
  i64 length;  // scatter_elements: size of index along the axis; scatter_nd: tuples
  i64 inner;   // scatter_nd: elements of c
  i64 axis;    // scatter_elements: size of y along the axis
  i64 y_axis;  // scatter_elements: its stride in y, and in updates
  i64 updates_axis;
  // scatter_elements: sizes of the other axes of index, their strides in y and in updates.
  // scatter_nd: sizes and strides of the indexed axes of y.
  i64 dims[kMaxGatherAxes];
  i64 strides[kMaxGatherAxes];
  i64 updates_strides[kMaxGatherAxes];
};

struct JoinSet {
  template <class N>
  static PLANISH_DEVICE N join(N, N b) {
    return b;
  }
};
struct JoinAdd {
  template <class N>
  static PLANISH_DEVICE N join(N a, N b) {
    return pointwise::add(a, b);
  }
};
struct JoinMultiply {
  template <class N>
  static PLANISH_DEVICE N join(N a, N b) {
    return pointwise::mul(a, b);
  }
};
struct JoinMax {
  template <class N>
  static PLANISH_DEVICE N join(N a, N b) {
    return pointwise::max(a, b);
  }
};
struct JoinMin {
  template <class N>
  static PLANISH_DEVICE N join(N a, N b) {
    return pointwise::min(a, b);
  }
};

namespace scatter_detail {

template <class Config>
PLANISH_DEVICE void join(typename Config::Element* y, typename Config::Element update) {
  using T = typename Config::Element;
  if constexpr (kSame<typename Config::Join, JoinSet>) {
    store(y, update);
  } else {
    store(y, pointwise::stored<T>(
                 Config::Join::join(pointwise::computed(load(y)), pointwise::computed(update))));
  }
}

// Whether the index lies within [-size, size); it is made to count from the start.
PLANISH_DEVICE bool resolve(i64& index, i64 size, u64 fault, i64 site) {
  if (index < 0) index += size;
  if (index >= 0 && index < size) return true;
  if (fault != 0) store(pointer<i32>(fault), static_cast<i32>(site));
  return false;
}

}  // namespace scatter_detail

template <class Config>
PLANISH_DEVICE void scatter_elements_kernel(const ScatterParams& p) {
  using T = typename Config::Element;
  release_successor();
  wait_for_predecessor();
  const i64 line = static_cast<i64>(block_x()) * block_threads() + thread_index();
  if (line >= p.lines) return;
  i64 rest = line;
  i64 at_y = 0;
  i64 at_updates = 0;
  PLANISH_UNROLL
  for (int axis = Config::kRank - 1; axis >= 0; --axis) {
    const i64 above = axis > 0 ? rest / p.dims[axis] : 0;
    const i64 index = rest - above * p.dims[axis];
    at_y += index * p.strides[axis];
    at_updates += index * p.updates_strides[axis];
    rest = above;
  }
  T* y = pointer<T>(p.y) + at_y;
  for (i64 i = 0; i < p.length; ++i) {
    const i64 from = at_updates + i * p.updates_axis;
    i64 index = load(pointer<const typename Config::Index>(p.index) + from);
    if (!scatter_detail::resolve(index, p.axis, p.fault, p.site)) continue;
    scatter_detail::join<Config>(y + index * p.y_axis, load(pointer<const T>(p.updates) + from));
  }
}

template <class Config>
PLANISH_DEVICE void scatter_nd_kernel(const ScatterParams& p) {
  using T = typename Config::Element;
  release_successor();
  wait_for_predecessor();
  const i64 column = static_cast<i64>(block_x()) * block_threads() + thread_index();
  if (column >= p.inner) return;
  constexpr bool kShared = kSame<typename Config::Join, JoinSet>;
  const i64 first = kShared ? static_cast<i64>(block_y()) * 64 : 0;
  const i64 end = kShared && first + 64 < p.length ? first + 64 : p.length;
  for (i64 i = first; i < end; ++i) {
    i64 offset = column;
    bool is_inside = true;
    PLANISH_UNROLL
    for (int axis = 0; axis < Config::kRank; ++axis) {
      i64 index = load(pointer<const typename Config::Index>(p.index) + i * Config::kRank + axis);
      is_inside = scatter_detail::resolve(index, p.dims[axis], p.fault, p.site) && is_inside;
      offset += index * p.strides[axis];
    }
    if (!is_inside) continue;
    scatter_detail::join<Config>(pointer<T>(p.y) + offset,
                                 load(pointer<const T>(p.updates) + i * p.inner + column));
  }
}

}  // namespace planish
