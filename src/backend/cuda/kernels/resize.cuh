// SPDX-License-Identifier: Apache-2.0
// Resize by tables: each of up to three axes has, for each output position, kTaps input positions
// and weights, made by the host for whatever mode (nearest, linear, cubic, antialiased; any
// coordinates):
//   y[n, o0, o1, o2, c] = sum over taps t0, t1, t2 of x[n, i0, i1, i2, c] w0 w1 w2
// A weight of 0 reads nothing. If the first position of an output is -1, the result is `outside`.
//
//   struct Config {
//     using Input = f16; using Output = f16;       // with kNearest the same type, any
//     static constexpr bool kNearest = false;  // one tap an axis, no weights: elements are moved
//     static constexpr int kTaps0 = 1, kTaps1 = 2, kTaps2 = 2;
//     static constexpr int kVector = 8;  // channels a thread; > 1 needs channel stride 1
//     static constexpr bool kChannelsLast = true;  // neighbours take channels, else positions
//   };
// Grid: x = ceil(o0 o1 o2 * ceil(channels / kVector) / threads), z = least(outer, 65535). Threads
// any.
// Cost: bytes x once (overlaps from L2) + y; flops 2 taps an output.
#pragma once

#include "tail.cuh"

namespace planish {

struct ResizeParams {
  u64 x;
  u64 y;
  u64 index[3];   // i32 [out][taps], weights (read as constants)
  u64 weight[3];  // f32 [out][taps]; 0 with kNearest
  i64 x_outer;    // strides in elements
  i64 x_channel;
  i64 x_axis[3];
  i64 y_outer;
  i64 y_channel;
  i64 y_axis[3];
  i32 outer;
  i32 channels;
  i32 out[3];
  i32 items;  // that threads take: positions * vectors of channels
  f32 outside;
  i32 unused;
};

namespace resize_detail {

PLANISH_DEVICE i32 position(const ResizeParams& p, int axis, i32 at) {
  return load_constant_pack<1>(pointer<const i32>(p.index[axis]) + at).at[0];
}
PLANISH_DEVICE float weight(const ResizeParams& p, int axis, i32 at) {
  return load_constant_pack<1>(pointer<const f32>(p.weight[axis]) + at).at[0];
}

template <class Config>
PLANISH_DEVICE void sample(const ResizeParams& p, const typename Config::Input* x,
                           const i32 (&o)[3], float (&sums)[Config::kVector]) {
  PLANISH_UNROLL
  for (int v = 0; v < Config::kVector; ++v) sums[v] = 0;
  PLANISH_UNROLL
  for (int t0 = 0; t0 < Config::kTaps0; ++t0) {
    const i32 a0 = o[0] * Config::kTaps0 + t0;
    PLANISH_UNROLL
    for (int t1 = 0; t1 < Config::kTaps1; ++t1) {
      const i32 a1 = o[1] * Config::kTaps1 + t1;
      PLANISH_UNROLL
      for (int t2 = 0; t2 < Config::kTaps2; ++t2) {
        const i32 a2 = o[2] * Config::kTaps2 + t2;
        const float w = weight(p, 0, a0) * weight(p, 1, a1) * weight(p, 2, a2);
        if (w == 0.0f) continue;
        const auto pack = load_pack<Config::kVector>(x + position(p, 0, a0) * p.x_axis[0] +
                                                     position(p, 1, a1) * p.x_axis[1] +
                                                     position(p, 2, a2) * p.x_axis[2]);
        PLANISH_UNROLL
        for (int v = 0; v < Config::kVector; ++v) {
          sums[v] += w * static_cast<float>(pointwise::computed(pack.at[v]));
        }
      }
    }
  }
}

}  // namespace resize_detail

template <class Config>
PLANISH_DEVICE void resize_kernel(const ResizeParams& p) {
  using Output = typename Config::Output;
  constexpr int kVector = Config::kVector;
  release_successor();
  wait_for_predecessor();
  const auto vectors = static_cast<u32>(ceil_div(p.channels, kVector));
  const u32 item = block_x() * block_threads() + thread_index();
  if (item >= static_cast<u32>(p.items)) return;
  const u32 positions = static_cast<u32>(p.items) / vectors;
  const u32 at = Config::kChannelsLast ? item / vectors : item % positions;
  const i32 channel =
      static_cast<i32>(Config::kChannelsLast ? item % vectors : item / positions) * kVector;
  const auto plane = static_cast<u32>(p.out[1] * p.out[2]);
  const i32 o[3] = {static_cast<i32>(at / plane),
                    static_cast<i32>(at % plane / static_cast<u32>(p.out[2])),
                    static_cast<i32>(at % static_cast<u32>(p.out[2]))};
  const i32 first[3] = {resize_detail::position(p, 0, o[0] * Config::kTaps0),
                        resize_detail::position(p, 1, o[1] * Config::kTaps1),
                        resize_detail::position(p, 2, o[2] * Config::kTaps2)};
  const bool is_outside = (first[0] | first[1] | first[2]) < 0;
  for (i64 n = block_z(); n < p.outer; n += grid_z()) {
    const auto* x =
        pointer<const typename Config::Input>(p.x) + n * p.x_outer + channel * p.x_channel;
    Output* y = pointer<Output>(p.y) + n * p.y_outer + channel * p.y_channel + o[0] * p.y_axis[0] +
                o[1] * p.y_axis[1] + o[2] * p.y_axis[2];
    if (Config::kNearest && !is_outside) {
      store_pack(y, load_pack<kVector>(x + first[0] * p.x_axis[0] + first[1] * p.x_axis[1] +
                                       first[2] * p.x_axis[2]));
      continue;
    }
    float sums[kVector];
    if (is_outside || Config::kNearest) {
      PLANISH_UNROLL
      for (int v = 0; v < kVector; ++v) sums[v] = p.outside;
    } else {
      resize_detail::sample<Config>(p, x, o, sums);
    }
    store_row(y, kVector, sums);
  }
}

}  // namespace planish
