// SPDX-License-Identifier: Apache-2.0
// Elements by index, moved as they are:
//   gather_kernel           y[o, i, c] = x[o, index[i], c]            Gather along an axis
//   gather_elements_kernel  y[p] = x[p with index[p] on the axis]     GatherElements
//   gather_nd_kernel        y[b, i, c] = x[b, tuple[b, i], c]         GatherND
// Negative indices count from the end. One outside its axis is clamped to it, and `site` is stored
// at `fault` (i32, if the address is not 0), so that no memory outside x is read.
//
//   struct Config {
//     using Element = u16;              // any type of the elements' size
//     using Index = i64;                // i32 or i64
//     static constexpr int kVector = 8;  // gather, gather_nd: elements of c at a time; divides c
//     static constexpr int kRank = 3;  // axes of index (gather_elements), indices of a tuple (nd)
//   };
// Grid: x = ceil(elements of y / kVector / threads) (kVector 1 for gather_elements); threads any.
// Cost: bytes 2 y + indices.
#pragma once

#include "expression.cuh"

namespace planish {

inline constexpr int kMaxGatherAxes = 8;

struct GatherParams {
  u64 x;
  u64 index;
  u64 y;
  u64 fault;
  i64 site;
  i64 outer;    // gather_nd: batches
  i64 count;    // indices; gather_nd: tuples of a batch
  i64 inner;    // elements of c
  i64 axis;     // size of the indexed axis of x (gather, gather_elements)
  i64 x_outer;  // strides of x: of an outer element or batch; gather: of the axis is `inner`
  // gather_elements: sizes of index, strides of x (the indexed axis's stride is x_axis, and 0
  // here). gather_nd: sizes and strides of the indexed axes of x.
  i64 dims[kMaxGatherAxes];
  i64 strides[kMaxGatherAxes];
  i64 x_axis;
};

// The index within [0, size), counted from the end if negative.
PLANISH_DEVICE i64 checked_index(i64 index, i64 size, u64 fault, i64 site) {
  if (index < 0) index += size;
  if (index >= 0 && index < size) return index;
  if (fault != 0) store(pointer<i32>(fault), static_cast<i32>(site));
  return index < 0 ? 0 : size - 1;
}

template <class Config>
PLANISH_DEVICE void gather_kernel(const GatherParams& p) {
  using T = typename Config::Element;
  release_successor();
  wait_for_predecessor();
  const i64 vectors = p.inner / Config::kVector;
  const i64 item = static_cast<i64>(block_x()) * block_threads() + thread_index();
  if (item >= p.outer * p.count * vectors) return;
  const i64 row = item / vectors;
  const i64 column = (item - row * vectors) * Config::kVector;
  const i64 o = row / p.count;
  const i64 at =
      checked_index(load(pointer<const typename Config::Index>(p.index) + (row - o * p.count)),
                    p.axis, p.fault, p.site);
  if (p.axis == 0) return;
  store_pack(
      pointer<T>(p.y) + row * p.inner + column,
      load_pack<Config::kVector>(pointer<const T>(p.x) + o * p.x_outer + at * p.inner + column));
}

template <class Config>
PLANISH_DEVICE void gather_elements_kernel(const GatherParams& p) {
  using T = typename Config::Element;
  release_successor();
  wait_for_predecessor();
  const i64 item = static_cast<i64>(block_x()) * block_threads() + thread_index();
  if (item >= p.count) return;
  i64 rest = item;
  i64 offset = 0;
  PLANISH_UNROLL
  for (int axis = Config::kRank - 1; axis >= 0; --axis) {
    const i64 above = axis > 0 ? rest / p.dims[axis] : 0;
    offset += (rest - above * p.dims[axis]) * p.strides[axis];
    rest = above;
  }
  const i64 at = checked_index(load(pointer<const typename Config::Index>(p.index) + item), p.axis,
                               p.fault, p.site);
  if (p.axis == 0) return;
  store(pointer<T>(p.y) + item, load(pointer<const T>(p.x) + offset + at * p.x_axis));
}

template <class Config>
PLANISH_DEVICE void gather_nd_kernel(const GatherParams& p) {
  using T = typename Config::Element;
  release_successor();
  wait_for_predecessor();
  const i64 vectors = p.inner / Config::kVector;
  const i64 item = static_cast<i64>(block_x()) * block_threads() + thread_index();
  if (item >= p.outer * p.count * vectors) return;
  const i64 row = item / vectors;
  const i64 column = (item - row * vectors) * Config::kVector;
  i64 offset = row / p.count * p.x_outer + column;
  PLANISH_UNROLL
  for (int axis = 0; axis < Config::kRank; ++axis) {
    const i64 index =
        load(pointer<const typename Config::Index>(p.index) + row * Config::kRank + axis);
    offset += checked_index(index, p.dims[axis], p.fault, p.site) * p.strides[axis];
    if (p.dims[axis] == 0) return;
  }
  store_pack(pointer<T>(p.y) + row * p.inner + column,
             load_pack<Config::kVector>(pointer<const T>(p.x) + offset));
}

}  // namespace planish
