// SPDX-License-Identifier: Apache-2.0
// Packs the kChannels values of each pixel into kPadded, the others zero: so that a convolution of
// an image with three channels reads whole vectors. Pixels may be laid out channels first or last.
//
//   struct Config {
//     using Input = f32; using Output = f16;
//     static constexpr int kChannels = 3, kPadded = 4;  // kPadded * size is 4, 8 or 16 bytes
//   };
// Grid: x = ceil(pixels / threads), threads any. Cost: bytes of both.
#pragma once

#include "expression.cuh"

namespace planish {

struct PadChannelsParams {
  u64 x;
  u64 y;
  i64 pixels;   // of all images
  i64 channel;  // strides of x, in elements
  i64 pixel;
  i64 image_pixels;  // pixels of an image
  i64 image;         // stride of an image beyond that of its pixels: x + i * image + p * pixel
};

template <class Config>
PLANISH_DEVICE void pad_channels_kernel(const PadChannelsParams& p) {
  using T = typename Config::Input;
  using Output = typename Config::Output;
  release_successor();
  wait_for_predecessor();
  const i64 at = static_cast<i64>(block_x()) * block_threads() + thread_index();
  if (at >= p.pixels) return;
  const i64 image = at / p.image_pixels;
  const i64 within = at - image * p.image_pixels;
  const T* from = pointer<const T>(p.x) + image * p.image + within * p.pixel;
  Pack<Output, Config::kPadded> pack;
  PLANISH_UNROLL
  for (int c = 0; c < Config::kPadded; ++c)
    pack.at[c] = c < Config::kChannels
                     ? pointwise::stored<Output>(pointwise::computed(load(from + c * p.channel)))
                     : Output{};
  store_pack(pointer<Output>(p.y) + at * Config::kPadded, pack);
}

}  // namespace planish
