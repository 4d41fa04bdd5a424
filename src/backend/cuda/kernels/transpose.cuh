// SPDX-License-Identifier: Apache-2.0
// Exchanges two axes of which one is contiguous in x and the other in y, over any batch of outer
// axes:
//   y[b, column, row] = x[b, row, column]       x: row * x_row + column,  y: column * y_row + row
// transpose_kernel goes through a tile in shared memory; interleave_kernel and deinterleave_kernel
// are for few rows (channels of an image), which each thread reads or writes itself. Types may
// differ (a cast).
//
//   struct Config {
//     using Input = f16; using Output = f16;
//     static constexpr int kBatchAxes = 1;     // 0 to 4
//     static constexpr int kChannels = 3;      // (de)interleave: rows
//     // (de)interleave: elements of a pixel, a power of two; those beyond kChannels are zero (or
//     // not read).
//     static constexpr int kPadded = 4;
//   };
//
// transpose: grid x = ceil(columns / 32) * ceil(rows / 32), z = least(batches, 65535), threads
//   256, shared memory 32 * 33 * sizeof(Input). Channels last to first: rows are pixels.
// interleave: channels first to last; rows = kChannels, columns = pixels; y_row, at least kPadded,
//   and y's batch strides are multiples of kPadded. deinterleave is the reverse: x has pixels
//   x_row apart, y has channels y_row apart. Grid x = ceil(columns / 256), z as above, threads 256.
// Cost: bytes x + y once.
#pragma once

#include "expression.cuh"
#include "reduce.cuh"

namespace planish {

struct TransposeParams {
  u64 x;
  u64 y;
  i64 x_row;
  i64 y_row;
  i64 batch_dims[kMaxReduceAxes];
  i64 batch_x[kMaxReduceAxes];
  i64 batch_y[kMaxReduceAxes];
  i64 batches;
  i32 rows;
  i32 columns;
};

template <class Config>
PLANISH_DEVICE void transpose_kernel(const TransposeParams& p) {
  using T = typename Config::Input;
  using Output = typename Config::Output;
  release_successor();
  wait_for_predecessor();
  const Shared<T> tile = shared_array<T>(0);
  const i32 tiles = ceil_div(p.columns, 32);
  const i32 first_column = static_cast<i32>(block_x()) % tiles * 32;
  const i32 first_row = static_cast<i32>(block_x()) / tiles * 32;
  const auto lane = static_cast<i32>(lane_index());
  const auto warp = static_cast<i32>(warp_index());
  for (i64 batch = block_z(); batch < p.batches; batch += grid_z()) {
    const T* x = pointer<const T>(p.x) +
                 reduce_detail::offset_of<Config::kBatchAxes>(batch, p.batch_dims, p.batch_x);
    Output* y = pointer<Output>(p.y) +
                reduce_detail::offset_of<Config::kBatchAxes>(batch, p.batch_dims, p.batch_y);
    PLANISH_UNROLL
    for (int i = 0; i < 4; ++i) {
      const i32 row = warp + 8 * i;
      if (first_row + row < p.rows && first_column + lane < p.columns) {
        tile.set(row * 33 + lane, load(x + (first_row + row) * p.x_row + first_column + lane));
      }
    }
    sync_block();
    PLANISH_UNROLL
    for (int i = 0; i < 4; ++i) {
      const i32 column = warp + 8 * i;
      if (first_column + column < p.columns && first_row + lane < p.rows) {
        store(y + (first_column + column) * p.y_row + first_row + lane,
              pointwise::stored<Output>(pointwise::computed(tile.get(lane * 33 + column))));
      }
    }
    sync_block();
  }
}

template <class Config>
PLANISH_DEVICE void interleave_kernel(const TransposeParams& p) {
  using Output = typename Config::Output;
  release_successor();
  wait_for_predecessor();
  const i32 pixel = static_cast<i32>(block_x() * block_threads() + thread_index());
  if (pixel >= p.columns) return;
  for (i64 batch = block_z(); batch < p.batches; batch += grid_z()) {
    const auto* x = pointer<const typename Config::Input>(p.x) +
                    reduce_detail::offset_of<Config::kBatchAxes>(batch, p.batch_dims, p.batch_x);
    Output* y = pointer<Output>(p.y) +
                reduce_detail::offset_of<Config::kBatchAxes>(batch, p.batch_dims, p.batch_y);
    Pack<Output, Config::kPadded> pack{};
    PLANISH_UNROLL
    for (int c = 0; c < Config::kChannels; ++c) {
      pack.at[c] = pointwise::stored<Output>(pointwise::computed(load(x + c * p.x_row + pixel)));
    }
    store_pack(y + pixel * p.y_row, pack);
  }
}

template <class Config>
PLANISH_DEVICE void deinterleave_kernel(const TransposeParams& p) {
  using Output = typename Config::Output;
  release_successor();
  wait_for_predecessor();
  const i32 pixel = static_cast<i32>(block_x() * block_threads() + thread_index());
  if (pixel >= p.columns) return;
  for (i64 batch = block_z(); batch < p.batches; batch += grid_z()) {
    const auto* x = pointer<const typename Config::Input>(p.x) +
                    reduce_detail::offset_of<Config::kBatchAxes>(batch, p.batch_dims, p.batch_x);
    Output* y = pointer<Output>(p.y) +
                reduce_detail::offset_of<Config::kBatchAxes>(batch, p.batch_dims, p.batch_y);
    const auto pack = load_pack<Config::kPadded>(x + pixel * p.x_row);
    PLANISH_UNROLL
    for (int c = 0; c < Config::kChannels; ++c) {
      store(y + c * p.y_row + pixel, pointwise::stored<Output>(pointwise::computed(pack.at[c])));
    }
  }
}

}  // namespace planish
