// SPDX-License-Identifier: Apache-2.0
// Softmax over contiguous rows: y = Tail(e^(x - max) / sum), or with kLog y = Tail(x - max -
// log(sum)). A row that is -infinity throughout gives NaN, as the definition does.
//
// Config: that of rows.cuh, and using Output, using Tail (tail.cuh: 0, row, column),
//   static constexpr bool kLog = false;
// softmax_columns_kernel does the same along an axis whose elements lie apart, x[o, i, c] over i: a
// thread a line, neighbours take neighbours of c; Config holds Input, Output and kLog. Grid x =
// ceil(outer * inner / threads).
// Cost: bytes x + y once (x twice more from L2 when streamed); flops 10 an element.
#pragma once

#include "rows.cuh"

namespace planish {

struct SoftmaxParams {
  u64 x;
  u64 y;
  i64 rows;
  i64 x_row;  // strides in elements
  i64 y_row;
  i32 columns;
  i32 unused;
  TailOperand tail[kMaxTailOperands];
};

struct SoftmaxColumnsParams {
  u64 x;
  u64 y;
  i64 outer;
  i64 length;  // of the axis
  i64 inner;
};

template <class Config>
PLANISH_DEVICE void softmax_columns_kernel(const SoftmaxColumnsParams& p) {
  release_successor();
  wait_for_predecessor();
  const i64 line = static_cast<i64>(block_x()) * block_threads() + thread_index();
  if (line >= p.outer * p.inner) return;
  const i64 first = line / p.inner * p.length * p.inner + line % p.inner;
  const auto* x = pointer<const typename Config::Input>(p.x) + first;
  auto* y = pointer<typename Config::Output>(p.y) + first;
  const auto read = [&](i64 i) {
    return static_cast<float>(pointwise::computed(load(x + i * p.inner)));
  };
  float largest = float_of_bits(0xff800000);
  for (i64 i = 0; i < p.length; ++i) largest = pointwise::max(largest, read(i));
  float total = 0;
  for (i64 i = 0; i < p.length; ++i) total += pointwise::exp(read(i) - largest);
  const float scale = Config::kLog ? pointwise::log(total) : 1.0f / total;
  for (i64 i = 0; i < p.length; ++i) {
    const float away = read(i) - largest;
    float value[1] = {Config::kLog ? away - scale : pointwise::exp(away) * scale};
    store_row(y + i * p.inner, 1, value);
  }
}

template <class Config>
PLANISH_DEVICE void softmax_kernel(const SoftmaxParams& p) {
  using Team = RowTeam<Config>;
  constexpr int kVector = Config::kVector;
  release_successor();
  wait_for_predecessor();
  const i64 row = Team::row();
  if (row >= p.rows) return;
  const auto* x = pointer<const typename Config::Input>(p.x) + row * p.x_row;
  auto* y = pointer<typename Config::Output>(p.y) + row * p.y_row;
  const auto read = [&](i32 column, float(&v)[kVector]) { load_floats(x + column, v); };
  Team team;
  team.take(p.columns, read);

  float largest = float_of_bits(0xff800000);
  team.each(p.columns, read, [&](i32, float(&v)[kVector]) {
    PLANISH_UNROLL
    for (int e = 0; e < kVector; ++e) largest = Largest::join(largest, v[e]);
  });
  largest = Team::template fold<Largest>(largest, 0);
  float sum = 0;
  team.each(p.columns, read, [&](i32, float(&v)[kVector]) {
    PLANISH_UNROLL
    for (int e = 0; e < kVector; ++e) {
      const float power = pointwise::exp(v[e] - largest);
      sum += power;
      if (!Config::kLog) v[e] = power;
    }
  });
  sum = Team::template fold<Sum>(sum, 1);
  const float scale = Config::kLog ? largest + pointwise::log(sum) : 1.0f / sum;
  team.each(p.columns, read, [&](i32 column, float(&v)[kVector]) {
    float out[kVector];
    PLANISH_UNROLL
    for (int e = 0; e < kVector; ++e) {
      if constexpr (Config::kLog) {
        out[e] = v[e] - scale;
      } else {
        out[e] = (Config::kStream ? pointwise::exp(v[e] - largest) : v[e]) * scale;
      }
    }
    apply_tail<typename Config::Tail>(p.tail, 0, row, column, kVector, out);
    store_row(y + column, kVector, out);
  });
}

}  // namespace planish
