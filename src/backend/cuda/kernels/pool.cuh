// SPDX-License-Identifier: Apache-2.0
// Max and average pooling over up to three spatial axes, any layout with strides:
//   y[n, o, c] = Tail(max or mean of x[n, o * stride - pad + t * dilation, c] over taps t inside x)
// Windows that lie outside give -infinity (the least integer) for max and 0 for mean. NaN wins a
// max.
//
//   struct Config {
//     using Input = f16; using Output = f16;
//     using Tail = NoTail;  // tail.cuh: image, pixel, channel; for f16, bf16 and f32
//     static constexpr int kKind = kPoolMax;  // kPoolMax, kPoolMean, kPoolMeanPadded
//     static constexpr int kVector = 8;  // channels a thread; > 1: channel stride 1, whole vectors
//     static constexpr bool kChannelsLast = true;  // neighbours take channels, else pixels
//   };
// kPoolMean divides by the taps inside x, kPoolMeanPadded by those that lie inside x or its padding
// (pad before, pad_end behind).
//
// Window sizes are in the parameters: one instance serves many layers. A thread makes one output.
// Grid: x = ceil(out pixels * ceil(channels / kVector) / threads), z = least(images, 65535);
// threads any.
// Cost: bytes x + y once (overlaps from L2); flops taps an output.
#pragma once

#include "reduce.cuh"
#include "tail.cuh"

namespace planish {

inline constexpr int kPoolMax = 0;
inline constexpr int kPoolMean = 1;
inline constexpr int kPoolMeanPadded = 2;

struct PoolParams {
  u64 x;
  u64 y;
  i64 x_image;  // strides in elements
  i64 x_channel;
  i64 x_axis[3];
  i64 y_image;
  i64 y_channel;
  i64 y_pixel;
  i32 images;
  i32 channels;
  i32 size[3];  // depth, height, width; 1 where there is no such axis
  i32 out[3];
  i32 kernel[3];
  i32 stride[3];
  i32 dilation[3];
  i32 pad[3];
  i32 pad_end[3];
  i32 items;  // that threads take: out pixels * vectors of channels
  TailOperand tail[kMaxTailOperands];
};

namespace pool_detail {

struct TapRange {
  i32 first, end;
};

// Taps of one axis whose positions lie in [low, high).
PLANISH_DEVICE TapRange taps_within(const PoolParams& p, int axis, i32 start, i32 low, i32 high) {
  const i32 dilation = p.dilation[axis];
  const auto steps = [&](i32 n) { return dilation == 1 ? n : ceil_div(n, dilation); };
  const i32 first = start >= low ? 0 : steps(low - start);
  const i32 end = start >= high ? 0 : least(p.kernel[axis], steps(high - start));
  return {first, most(first, end)};
}

// Visits the vectors of x under a window.
template <class Config, class F>
PLANISH_DEVICE void visit(const PoolParams& p, const typename Config::Input* x,
                          const i32 (&start)[3], F f) {
  const TapRange depth = taps_within(p, 0, start[0], 0, p.size[0]);
  const TapRange height = taps_within(p, 1, start[1], 0, p.size[1]);
  const TapRange width = taps_within(p, 2, start[2], 0, p.size[2]);
  for (i32 td = depth.first; td < depth.end; ++td) {
    const i32 d = start[0] + td * p.dilation[0];
    for (i32 th = height.first; th < height.end; ++th) {
      const i32 h = start[1] + th * p.dilation[1];
      for (i32 tw = width.first; tw < width.end; ++tw) {
        const i32 w = start[2] + tw * p.dilation[2];
        f(load_pack<Config::kVector>(x + d * p.x_axis[0] + h * p.x_axis[1] + w * p.x_axis[2]));
      }
    }
  }
}

template <class Config, class N>
PLANISH_DEVICE void pool(const PoolParams& p, const typename Config::Input* x,
                         const i32 (&start)[3], N (&out)[Config::kVector]) {
  constexpr bool kMax = Config::kKind == kPoolMax;
  PLANISH_UNROLL
  for (int v = 0; v < Config::kVector; ++v) out[v] = kMax ? FoldMax::template start<N>() : N(0);
  visit<Config>(p, x, start, [&](const Pack<typename Config::Input, Config::kVector>& pack) {
    PLANISH_UNROLL
    for (int v = 0; v < Config::kVector; ++v) {
      const N value = static_cast<N>(pointwise::computed(pack.at[v]));
      out[v] = kMax ? pointwise::max(out[v], value) : out[v] + value;
    }
  });
  if constexpr (!kMax) {
    i32 count = 1;
    PLANISH_UNROLL
    for (int axis = 0; axis < 3; ++axis) {
      const bool padded = Config::kKind == kPoolMeanPadded;
      const TapRange taps = taps_within(p, axis, start[axis], padded ? -p.pad[axis] : 0,
                                        p.size[axis] + (padded ? p.pad_end[axis] : 0));
      count *= taps.end - taps.first;
    }
    PLANISH_UNROLL
    for (int v = 0; v < Config::kVector; ++v)
      out[v] = count > 0 ? out[v] / static_cast<N>(count) : N(0);
  }
}

}  // namespace pool_detail

template <class Config>
PLANISH_DEVICE void pool_kernel(const PoolParams& p) {
  using T = typename Config::Input;
  using Output = typename Config::Output;
  constexpr int kVector = Config::kVector;
  constexpr bool kReal = kIsHalf<T> || kSame<T, f32>;
  using N = Choose<kReal, float, Choose<kSame<T, f64>, double, i64>>;
  release_successor();
  wait_for_predecessor();
  const auto vectors = static_cast<u32>(ceil_div(p.channels, kVector));
  const u32 item = block_x() * block_threads() + thread_index();
  if (item >= static_cast<u32>(p.items)) return;
  const u32 pixels = static_cast<u32>(p.items) / vectors;
  const u32 pixel = Config::kChannelsLast ? item / vectors : item % pixels;
  const i32 channel =
      static_cast<i32>(Config::kChannelsLast ? item % vectors : item / pixels) * kVector;
  const auto plane = static_cast<u32>(p.out[1] * p.out[2]);
  const i32 start[3] = {
      static_cast<i32>(pixel / plane) * p.stride[0] - p.pad[0],
      static_cast<i32>(pixel % plane / static_cast<u32>(p.out[2])) * p.stride[1] - p.pad[1],
      static_cast<i32>(pixel % static_cast<u32>(p.out[2])) * p.stride[2] - p.pad[2]};
  for (i64 image = block_z(); image < p.images; image += grid_z()) {
    N out[kVector];
    pool_detail::pool<Config>(p, pointer<const T>(p.x) + image * p.x_image + channel * p.x_channel,
                              start, out);
    Output* y = pointer<Output>(p.y) + image * p.y_image + static_cast<i64>(pixel) * p.y_pixel +
                channel * p.y_channel;
    if constexpr (kReal) {
      apply_tail<typename Config::Tail>(p.tail, image, pixel, channel, kVector, out);
      store_row(y, kVector, out);
    } else {
      PLANISH_UNROLL
      for (int v = 0; v < kVector; ++v) store(y + v, pointwise::stored<Output>(out[v]));
    }
  }
}

}  // namespace planish
