// SPDX-License-Identifier: Apache-2.0
// Packs the kChannels values of each pixel into kPadded, the others zero: so that a convolution of
// an image with three channels reads whole vectors. Pixels may be laid out channels first or last.
//
//   struct Config {
//     using Element = f16;
//     static constexpr int kChannels = 3, kPadded = 4;  // kPadded * size is 4, 8 or 16 bytes
//   };
// Grid: x = ceil(pixels / threads), threads any. Cost: bytes of both.
#pragma once

#include "device.cuh"

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
  using T = typename Config::Element;
  release_successor();
  wait_for_predecessor();
  const i64 at = static_cast<i64>(block_x()) * block_threads() + thread_index();
  if (at >= p.pixels) return;
  const i64 image = at / p.image_pixels;
  const i64 within = p.image == 0 ? at : at - image * p.image_pixels;
  const T* from = pointer<const T>(p.x) + image * p.image + within * p.pixel;
  Pack<T, Config::kPadded> pack;
  PLANISH_UNROLL
  for (int c = 0; c < Config::kPadded; ++c)
    pack.at[c] = c < Config::kChannels ? load(from + c * p.channel) : T{};
  store_pack(pointer<T>(p.y) + at * Config::kPadded, pack);
}

}  // namespace planish
