// SPDX-License-Identifier: Apache-2.0
// Softmax over contiguous rows: y = Tail(e^(x - max) / sum), or with kLog y = Tail(x - max -
// log(sum)). A row that is -infinity throughout gives NaN, as the definition does.
//
// Config: that of rows.cuh, and using Output, using Tail (tail.cuh: 0, row, column),
//   static constexpr bool kLog = false;
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
