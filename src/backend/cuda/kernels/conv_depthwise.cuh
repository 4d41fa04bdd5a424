// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution, channels last: y[image, o, c] = Tail(sum over taps t of
// x[image, o * stride - pad + t * dilation, c] w[t, c]). Bound by memory: a thread holds kVector
// channels of kPixels neighbouring output pixels of a row, so that inputs that neighbours share are
// read once.
//
//   struct Config {
//     using Input = f16; using Output = f16;
//     using Tail = NoTail;                      // tail.cuh: image, pixel, channel
//     static constexpr int kVector = 8;         // channels and all strides multiples of it; 1: any
//     static constexpr int kPixels = 4;
//     static constexpr int kKernelH = 3, kKernelW = 3, kStrideH = 1, kStrideW = 1;
//     static constexpr int kDilationH = 1, kDilationW = 1, kPadH = 1, kPadW = 1;
//   };
//
// w: [taps][channels] of Input, weights; stride_w elements a tap. More outputs than inputs
// (multiplier q): repeat the channels of x by q beforehand, or take conv.cuh with groups.
// Grid: x = conv_depthwise_blocks(), z = least(images, 65535). Threads any multiple of 32. No
// shared memory. Cost: flops 2 * taps * elements of y; bytes x + y once, w from L2.
#pragma once

#include "tail.cuh"

namespace planish {

struct ConvDepthwiseParams {
  u64 x;
  u64 w;
  u64 y;
  i64 x_image;
  i64 x_pixel;
  i64 y_image;
  i64 y_pixel;
  i64 stride_w;
  i32 channels;
  i32 height;
  i32 width;
  i32 out_height;
  i32 out_width;
  i32 images;
  i32 items;   // that threads take: rows * groups of kPixels * vectors of channels
  i32 pixels;  // of an image of y; what the kernel counts with 32 bits
  TailOperand tail[kMaxTailOperands];
};

PLANISH_CONSTEXPR i64 conv_depthwise_blocks(i64 out_height, i64 out_width, i64 channels,
                                            i32 threads, i32 vector, i32 pixels) {
  return ceil_div(out_height * ceil_div(out_width, static_cast<i64>(pixels)) *
                      ceil_div(channels, static_cast<i64>(vector)),
                  static_cast<i64>(threads));
}

template <class Config>
struct ConvDepthwise {
  using T = typename Config::Input;
  static constexpr int kVector = Config::kVector, kPixels = Config::kPixels;
  // Input columns that kPixels outputs see, from the first.
  static constexpr int kSpan =
      (kPixels - 1) * Config::kStrideW + (Config::kKernelW - 1) * Config::kDilationW + 1;

  // Adds one row of taps.
  static PLANISH_DEVICE void add_row(float (&sums)[kPixels][kVector], const ConvDepthwiseParams& p,
                                     const T* row, const T* w, i32 first) {
    float taps[Config::kKernelW][kVector];
    PLANISH_UNROLL
    for (int t = 0; t < Config::kKernelW; ++t) {
      const Pack<T, kVector> pack = load_constant_pack<kVector>(w + t * p.stride_w);
      PLANISH_UNROLL
      for (int v = 0; v < kVector; ++v) taps[t][v] = pointwise::computed(pack.at[v]);
    }
    PLANISH_UNROLL
    for (int column = 0; column < kSpan; ++column) {
      const i32 at = first + column;
      if (!is_seen(column) || static_cast<u32>(at) >= static_cast<u32>(p.width)) continue;
      const Pack<T, kVector> pack = load_pack<kVector>(row + at * p.x_pixel);
      PLANISH_UNROLL
      for (int pixel = 0; pixel < kPixels; ++pixel) {
        const int offset = column - pixel * Config::kStrideW;
        if (offset < 0 || offset % Config::kDilationW != 0 ||
            offset / Config::kDilationW >= Config::kKernelW) {
          continue;
        }
        PLANISH_UNROLL
        for (int v = 0; v < kVector; ++v) {
          sums[pixel][v] += static_cast<float>(pointwise::computed(pack.at[v])) *
                            taps[offset / Config::kDilationW][v];
        }
      }
    }
  }
  // Whether any output sees the column: not with a stride or dilation beyond the kernel.
  static PLANISH_DEVICE constexpr bool is_seen(int column) {
    for (int pixel = 0; pixel < kPixels; ++pixel) {
      const int offset = column - pixel * Config::kStrideW;
      if (offset >= 0 && offset % Config::kDilationW == 0 &&
          offset / Config::kDilationW < Config::kKernelW) {
        return true;
      }
    }
    return false;
  }
};

template <class Config>
PLANISH_DEVICE void conv_depthwise_kernel(const ConvDepthwiseParams& p) {
  using C = ConvDepthwise<Config>;
  using T = typename Config::Input;
  using Output = typename Config::Output;
  constexpr int kVector = Config::kVector, kPixels = Config::kPixels;
  release_successor();
  wait_for_predecessor();
  const i32 vectors = ceil_div(p.channels, kVector);
  const i32 groups = ceil_div(p.out_width, kPixels);
  const u32 item = block_x() * block_threads() + thread_index();
  if (item >= static_cast<u32>(p.items)) return;
  const i32 channel = static_cast<i32>(item % static_cast<u32>(vectors)) * kVector;
  const i32 place = static_cast<i32>(item / static_cast<u32>(vectors));
  const i32 row = place / groups;
  const i32 first = place % groups * kPixels;
  for (i32 image = static_cast<i32>(block_z()); image < p.images;
       image += static_cast<i32>(grid_z())) {
    const T* x = pointer<const T>(p.x) + image * p.x_image + channel;
    const T* w = pointer<const T>(p.w) + channel;
    float sums[kPixels][kVector] = {};
    PLANISH_UNROLL
    for (int t = 0; t < Config::kKernelH; ++t) {
      const i32 h = row * Config::kStrideH - Config::kPadH + t * Config::kDilationH;
      if (static_cast<u32>(h) >= static_cast<u32>(p.height)) continue;
      C::add_row(sums, p, x + static_cast<i64>(h) * p.width * p.x_pixel,
                 w + t * Config::kKernelW * p.stride_w, first * Config::kStrideW - Config::kPadW);
    }
    PLANISH_UNROLL
    for (int i = 0; i < kPixels; ++i) {
      if (first + i >= p.out_width) break;
      const i32 pixel = row * p.out_width + first + i;
      apply_tail<typename Config::Tail>(p.tail, image, pixel, channel, kVector, sums[i]);
      store_row(pointer<Output>(p.y) + image * p.y_image + pixel * p.y_pixel + channel, kVector,
                sums[i]);
    }
  }
}

}  // namespace planish
