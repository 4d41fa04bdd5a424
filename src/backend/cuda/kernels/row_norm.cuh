// SPDX-License-Identifier: Apache-2.0
// Layer, RMS, group and instance normalisation:
//   y = Tail((x - mean) / sqrt(variance + epsilon) * scale + bias)    kCentred
//   y = Tail(x / sqrt(mean of squares + epsilon) * scale + bias)      otherwise (RMS)
// over the columns of each row. x may be the sum of two inputs (kResidual), which may be kept
// (kKeepSum).
//
// Config: that of rows.cuh, and
//   using Output = f16;  using Tail = NoTail;    // tail.cuh: 0, row, column
//   using Scale = f32;                            // of scale and bias, weights
//   static constexpr bool kCentred = true, kResidual = false, kKeepSum = false;
//   static constexpr bool kHasScale = true, kHasBias = true;
//   static constexpr int kLayout = kRowNormPlain;
//
// kRowNormPlain: rows are contiguous; scale and bias have one element a column.
// kRowNormPlanes: rows are groups of an image, channels first: row r is image r / groups, group
//   r % groups; `run` columns (a plane) belong to one channel: scale has `groups * columns / run`
//   elements.
// kRowNormPixels: the same, channels last: runs of `run` channels lie `pitch` apart, an image
//   x_row, a group x_group apart; y is laid out as x. kVector divides run.
// For the last two the Tail must have no operands. Instance normalisation has one channel a group.
// mean and inverse (1 / sqrt(...)) are stored if their addresses are not 0.
// Cost: bytes x (+ residual) + y (+ sum) once; flops 8 an element.
#pragma once

#include "rows.cuh"

namespace planish {

inline constexpr int kRowNormPlain = 0;
inline constexpr int kRowNormPlanes = 1;
inline constexpr int kRowNormPixels = 2;

struct RowNormParams {
  u64 x;
  u64 residual;  // laid out as x
  u64 sum;       // laid out as x, in Input
  u64 scale;
  u64 bias;
  u64 y;
  u64 mean;     // f32, one a row
  u64 inverse;  // f32, one a row
  i64 rows;
  i64 x_row;  // of an image for kRowNormPixels
  i64 y_row;
  i64 x_group;  // for kRowNormPixels
  i64 pitch;    // for kRowNormPixels
  i32 columns;
  i32 groups;  // 1 for kRowNormPlain
  i32 run;     // 1 for kRowNormPlain
  f32 epsilon;
  TailOperand tail[kMaxTailOperands];
};

namespace row_norm_detail {

template <class Config>
struct Layout {
  i64 x;  // offset of the row
  i64 y;
  i32 channel;  // the first of scale

  PLANISH_DEVICE Layout(const RowNormParams& p, i64 row) {
    if constexpr (Config::kLayout == kRowNormPlain) {
      x = row * p.x_row;
      y = row * p.y_row;
      channel = 0;
    } else {
      const auto group = static_cast<i32>(row % p.groups);
      if constexpr (Config::kLayout == kRowNormPlanes) {
        x = row * p.x_row;
        y = row * p.y_row;
        channel = group * (p.columns / p.run);
      } else {
        x = row / p.groups * p.x_row + group * p.x_group;
        y = x;
        channel = group * p.run;
      }
    }
  }
  static PLANISH_DEVICE i64 offset(const RowNormParams& p, i32 column) {
    if constexpr (Config::kLayout == kRowNormPixels) {
      return static_cast<i64>(column / p.run) * p.pitch + column % p.run;
    } else {
      return column;
    }
  }
  // Reads the scale or bias of kVector columns.
  PLANISH_DEVICE void weights(const RowNormParams& p, u64 address, i32 column,
                              float (&w)[Config::kVector]) const {
    const auto* from = pointer<const typename Config::Scale>(address) + channel;
    PLANISH_UNROLL
    for (int e = 0; e < Config::kVector; ++e) {
      i32 at = column + e;
      if constexpr (Config::kLayout == kRowNormPlanes) at /= p.run;
      if constexpr (Config::kLayout == kRowNormPixels) at %= p.run;
      if constexpr (Config::kLayout == kRowNormPlain) {
        if (e == 0) {
          const auto pack = load_constant_pack<Config::kVector>(from + at);
          PLANISH_UNROLL
          for (int i = 0; i < Config::kVector; ++i) {
            w[i] = static_cast<float>(pointwise::computed(pack.at[i]));
          }
        }
      } else {
        w[e] = static_cast<float>(pointwise::computed(load_constant_pack<1>(from + at).at[0]));
      }
    }
  }
};

}  // namespace row_norm_detail

template <class Config>
PLANISH_DEVICE void row_norm_kernel(const RowNormParams& p) {
  using Team = RowTeam<Config>;
  using Input = typename Config::Input;
  constexpr int kVector = Config::kVector;
  release_successor();
  wait_for_predecessor();
  const i64 row = Team::row();
  if (row >= p.rows || p.columns == 0) return;
  using Layout = row_norm_detail::Layout<Config>;
  const Layout layout(p, row);
  const auto* x = pointer<const Input>(p.x) + layout.x;
  const auto read = [&](i32 column, float(&v)[kVector]) {
    const i64 at = Layout::offset(p, column);
    load_floats(x + at, v);
    if constexpr (Config::kResidual) {
      float more[kVector];
      load_floats(pointer<const Input>(p.residual) + layout.x + at, more);
      PLANISH_UNROLL
      for (int e = 0; e < kVector; ++e) v[e] += more[e];
    }
  };
  Team team;
  team.take(p.columns, read);
  const float share = 1.0f / static_cast<float>(p.columns);
  float mean = 0;
  if constexpr (Config::kCentred) {
    float sum = 0;
    team.each(p.columns, read, [&](i32, float(&v)[kVector]) {
      PLANISH_UNROLL
      for (int e = 0; e < kVector; ++e) sum += v[e];
    });
    mean = Team::template fold<Sum>(sum, 0) * share;
  }
  float squares = 0;
  team.each(p.columns, read, [&](i32, float(&v)[kVector]) {
    PLANISH_UNROLL
    for (int e = 0; e < kVector; ++e) squares += (v[e] - mean) * (v[e] - mean);
  });
  const float inverse =
      1.0f / pointwise::sqrt(Team::template fold<Sum>(squares, 1) * share + p.epsilon);
  if (Team::place() == 0) {
    if (p.mean != 0) store(pointer<f32>(p.mean) + row, mean);
    if (p.inverse != 0) store(pointer<f32>(p.inverse) + row, inverse);
  }
  team.each(p.columns, read, [&](i32 column, float(&v)[kVector]) {
    const i64 at = Layout::offset(p, column);
    if constexpr (Config::kKeepSum) store_row(pointer<Input>(p.sum) + layout.x + at, kVector, v);
    float out[kVector];
    float scale[kVector];
    float bias[kVector];
    if constexpr (Config::kHasScale) layout.weights(p, p.scale, column, scale);
    if constexpr (Config::kHasBias) layout.weights(p, p.bias, column, bias);
    PLANISH_UNROLL
    for (int e = 0; e < kVector; ++e) {
      out[e] = (v[e] - mean) * inverse;
      if constexpr (Config::kHasScale) out[e] *= scale[e];
      if constexpr (Config::kHasBias) out[e] += bias[e];
    }
    apply_tail<typename Config::Tail>(p.tail, 0, row, column, kVector, out);
    store_row(pointer<typename Config::Output>(p.y) + layout.y + at, kVector, out);
  });
}

}  // namespace planish
