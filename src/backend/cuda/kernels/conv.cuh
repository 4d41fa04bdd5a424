// SPDX-License-Identifier: Apache-2.0
// Convolution as a product on the matrix units, channels last:
//   y[image, o, f] = Tail(sum over taps t and channels c of
//                         x[image, o * stride - pad + t * dilation, c] w[f, t, c])
// over up to three spatial axes; x counts as zero outside. Rows of the product are output pixels
// of all images, K runs over taps and channels of a group; groups lie in grid z.
//
// Config: that of mma_tile.cuh with kMajorKA and kMajorKB true, and
//   using Output = f16;  using Tail = NoTail;  // tail.cuh: image, pixel, channel (of all groups)
//   static constexpr bool kSplit = false;      // grid y splits K, as in gemm.cuh
//   static constexpr int kChannels = 64;       // of a group, a multiple of kVectorA
//   static constexpr int kKernelD = 1, kKernelH = 3, kKernelW = 3;
//   static constexpr int kStrideD = 1, kStrideH = 2, kStrideW = 2;
//   static constexpr int kDilationD = 1, kDilationH = 1, kDilationW = 1;
//   static constexpr int kPadD = 0, kPadH = 1, kPadW = 1;  // before the first; may be negative
//   static constexpr int kUpD = 1, kUpH = 1, kUpW = 1;     // zeros between elements, see below
//   // Sizes of x and y baked in; 0: in the parameters.
//   static constexpr int kDepth = 1, kHeight = 0, kWidth = 0;
//   static constexpr int kOutDepth = 1, kOutHeight = 0, kOutWidth = 0;
//
// A transposed convolution of stride s is this with kUp = s, kStride = 1, the taps in reverse
// order and kPad = dilation * (kernel - 1) - pad.
// kVectorA: channels that lie together: 8 (16 bytes of f16) needs kChannels, pixel and image
// strides and addresses to be multiples of 8. With 3 channels pad x and w to 4 and take 4.
// w: [groups][filters][taps * kChannels, padded to stride_w with anything], weights, read by
// kVectorB.
//
// Grid: x = tiles of (images * pixels out) * tiles of filters of a group, y = splits, z = groups.
// Threads, shared memory, parts, counters and clusters as for gemm.cuh.
// Cost: flops 2 * pixels * filters * taps * channels of a group; bytes x + w + y from memory, x
// taps * tiles(filters) times from L2.
#pragma once

#include "gemm.cuh"

namespace planish {

struct ConvParams {
  u64 x;
  u64 w;
  u64 y;
  u64 parts;
  u64 counters;
  i64 x_image;  // strides in elements
  i64 x_pixel;
  i64 y_image;
  i64 y_pixel;
  i64 stride_w;  // of a filter
  i32 images;
  i32 filters;  // of a group
  i32 depth;
  i32 height;
  i32 width;
  i32 out_depth;
  i32 out_height;
  i32 out_width;
  i32 k_split;
  i32 pixels;        // of all images of y
  i32 image_pixels;  // of an image of x; what the kernel counts with 32 bits
  i32 unused;
  TailOperand tail[kMaxTailOperands];
};

namespace conv_detail {

// Position of x along an axis, or -1 outside.
template <int kUp>
PLANISH_DEVICE i32 position(i32 at, i32 size) {
  if constexpr (kUp == 1) {
    return static_cast<u32>(at) < static_cast<u32>(size) ? at : -1;
  } else {
    return at >= 0 && at % kUp == 0 && at / kUp < size ? at / kUp : -1;
  }
}

// Where the window of an output pixel begins.
template <class T>
struct Window {
  const T* image = nullptr;  // null: no such pixel
  i32 d = 0;
  i32 h = 0;
  i32 w = 0;
};

template <class Config>
struct Sizes {
  i32 depth, height, width, out_depth, out_height, out_width;
  PLANISH_DEVICE explicit Sizes(const ConvParams& p)
      : depth(baked(Config::kDepth, p.depth)),
        height(baked(Config::kHeight, p.height)),
        width(baked(Config::kWidth, p.width)),
        out_depth(baked(Config::kOutDepth, p.out_depth)),
        out_height(baked(Config::kOutHeight, p.out_height)),
        out_width(baked(Config::kOutWidth, p.out_width)) {}
  PLANISH_DEVICE i32 pixels() const { return out_depth * out_height * out_width; }
};

template <class Config>
struct ImageCopy {
  using T = typename Config::Input;
  using Tile = MmaTile<Config>;
  static constexpr int kChunk = Tile::kChunk;
  static constexpr int kChunks = Config::kTileK / kChunk;
  static constexpr int kVector = Config::kVectorA;
  static constexpr int kRowStep = Tile::kThreads / kChunks;
  static constexpr int kRows = ceil_div(Config::kTileM, kRowStep);
  static constexpr int kTaps = Config::kKernelD * Config::kKernelH * Config::kKernelW;
  // A step of K stays within one tap, the same for all threads.
  static constexpr bool kIsOneTap = Config::kChannels % Config::kTileK == 0 && kVector == kChunk &&
                                    Config::kUpD == 1 && Config::kUpH == 1 && Config::kUpW == 1;
  static_assert(Tile::kThreads % kChunks == 0, "a thread keeps to one chunk of the rows of a step");
  static_assert(Config::kChannels % kVector == 0, "the channels of a group are whole vectors");

  Window<T> windows[kRows];
  i64 pixel;  // stride

  // `first` is the first pixel of the tile; channels of the group start at x.
  PLANISH_DEVICE ImageCopy(const ConvParams& p, const Sizes<Config>& s, const T* x, i32 first)
      : pixel(p.x_pixel) {
    PLANISH_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const i32 at = first + static_cast<i32>(thread_index()) / kChunks + i * kRowStep;
      const i32 image = at / s.pixels();
      if (image >= p.images) continue;
      const i32 within = at - image * s.pixels();
      const i32 row = within / s.out_width;
      windows[i].image = x + image * p.x_image;
      windows[i].w = (within - row * s.out_width) * Config::kStrideW - Config::kPadW;
      windows[i].h = row % s.out_height * Config::kStrideH - Config::kPadH;
      windows[i].d = row / s.out_height * Config::kStrideD - Config::kPadD;
    }
  }

  // The first of kVector channels of K index k for one window; null where there is nothing.
  PLANISH_DEVICE const T* find(const Window<T>& window, const Sizes<Config>& s, i32 k) const {
    const i32 tap = k / Config::kChannels;
    const i32 channel = k - tap * Config::kChannels;
    const i32 tap_w = tap % Config::kKernelW;
    const i32 tap_h = tap / Config::kKernelW % Config::kKernelH;
    const i32 tap_d = tap / (Config::kKernelW * Config::kKernelH);
    const i32 w = position<Config::kUpW>(window.w + tap_w * Config::kDilationW, s.width);
    const i32 h = position<Config::kUpH>(window.h + tap_h * Config::kDilationH, s.height);
    const i32 d = position<Config::kUpD>(window.d + tap_d * Config::kDilationD, s.depth);
    if (window.image == nullptr || tap >= kTaps || (w | h | d) < 0) return nullptr;
    return window.image + ((d * s.height + h) * s.width + w) * pixel + channel;
  }

  // The same as copy(), with the arithmetic of taps done once.
  PLANISH_DEVICE void copy_tap(Shared<T> stage, const Sizes<Config>& s, const T* x, i32 k) const {
    const int thread = static_cast<int>(thread_index());
    const int chunk = thread % kChunks;
    const i32 tap = k / Config::kChannels;
    const i32 w = tap % Config::kKernelW * Config::kDilationW;
    const i32 h = tap / Config::kKernelW % Config::kKernelH * Config::kDilationH;
    const i32 d = tap / (Config::kKernelW * Config::kKernelH) * Config::kDilationD;
    const i32 channel = k - tap * Config::kChannels + chunk * kChunk;
    PLANISH_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const int row = thread / kChunks + i * kRowStep;
      if (Config::kTileM % kRowStep != 0 && row >= Config::kTileM) break;
      const Window<T>& at = windows[i];
      const bool is_inside = at.image != nullptr &&
                             static_cast<u32>(at.w + w) < static_cast<u32>(s.width) &&
                             static_cast<u32>(at.h + h) < static_cast<u32>(s.height) &&
                             (Config::kKernelD == 1 && Config::kPadD == 0
                                  ? true
                                  : static_cast<u32>(at.d + d) < static_cast<u32>(s.depth));
      const i64 place = (static_cast<i64>(at.d + d) * s.height + at.h + h) * s.width + at.w + w;
      copy_async<16>(stage, row * Config::kTileK + mma_detail::place<kChunks>(row, chunk) * kChunk,
                     is_inside ? at.image + place * pixel + channel : x, is_inside ? 16 : 0);
    }
  }

  // K from `k` on; K indices from `end` on are zero.
  PLANISH_DEVICE void copy(Shared<T> stage, const Sizes<Config>& s, const T* x, i32 k,
                           i32 end) const {
    if constexpr (kIsOneTap) return copy_tap(stage, s, x, k);
    const int thread = static_cast<int>(thread_index());
    const int chunk = thread % kChunks;
    PLANISH_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const int row = thread / kChunks + i * kRowStep;
      if (Config::kTileM % kRowStep != 0 && row >= Config::kTileM) break;
      const int to = row * Config::kTileK + mma_detail::place<kChunks>(row, chunk) * kChunk;
      constexpr int kBytes = kVector * static_cast<int>(sizeof(T));
      if constexpr (kBytes >= 4) {
        PLANISH_UNROLL
        for (int v = 0; v < kChunk; v += kVector) {
          const i32 at = k + chunk * kChunk + v;
          const T* from = at < end ? find(windows[i], s, at) : nullptr;
          copy_async<kBytes>(stage, to + v, from != nullptr ? from : x,
                             from != nullptr ? kBytes : 0);
        }
      } else {
        Pack<T, kChunk> pack;
        PLANISH_UNROLL
        for (int v = 0; v < kChunk; ++v) {
          const i32 at = k + chunk * kChunk + v;
          const T* from = at < end ? find(windows[i], s, at) : nullptr;
          pack.at[v] = from != nullptr ? load(from) : T{};
        }
        stage.template set_pack<kChunk>(to, pack);
      }
    }
  }
};

}  // namespace conv_detail

template <class Config>
PLANISH_DEVICE void conv_kernel(const ConvParams& p) {
  using Tile = MmaTile<Config>;
  using T = typename Config::Input;
  using Output = typename Config::Output;
  using CopyA = conv_detail::ImageCopy<Config>;
  using CopyB = TileCopy<T, Config::kTileN, Config::kTileK, Tile::kThreads, Config::kVectorB>;
  static_assert(Config::kMajorKA && Config::kMajorKB, "images and filters are major in K");
  release_successor();
  const conv_detail::Sizes<Config> s(p);
  const i32 pixels = p.pixels;
  constexpr i32 kK = CopyA::kTaps * Config::kChannels;
  const auto group = static_cast<i32>(block_z());
  const TileIndex tile =
      tile_of(block_x(), gemm_tiles(pixels, Config::kTileM), gemm_tiles(p.filters, Config::kTileN));
  const i32 first_m = tile.row * Config::kTileM;
  const i32 first_n = tile.column * Config::kTileN;
  const i32 first_k = Config::kSplit ? static_cast<i32>(block_y()) * p.k_split : 0;
  const i32 end_k = Config::kSplit ? least(kK, first_k + p.k_split) : kK;
  const T* x = pointer<const T>(p.x) + group * Config::kChannels;
  const T* w = pointer<const T>(p.w) +
               (static_cast<i64>(group) * p.filters + first_n) * p.stride_w + first_k;
  const CopyA image(p, s, x, first_m);

  const auto writer = tile_writer<typename Config::Tail, Output, typename Tile::Sum>(
      p.tail, [&](i32 row, i32 column) {
        const i32 at = first_m + row;
        const i32 filter = first_n + column;
        const i32 of_image = at / s.pixels();
        const i32 pixel = at - of_image * s.pixels();
        const i32 channel = group * p.filters + filter;
        return RowPlace<Output>{
            pointer<Output>(p.y) + of_image * p.y_image + pixel * p.y_pixel + channel, of_image,
            pixel, channel, at < pixels ? most(0, least(8, p.filters - filter)) : 0};
      });
  typename Tile::template Finisher<decltype(writer)> finisher(writer);
  Tile product;
  product.template run<true>(
      ceil_div(most(0, end_k - first_k), Config::kTileK),
      [&](Shared<T> stage, i32 step) {
        image.copy(stage, s, x, first_k + step * Config::kTileK, end_k);
      },
      [&](Shared<T> stage, i32 step) {
        const i32 at = step * Config::kTileK;
        CopyB::copy(stage, w + at, p.stride_w, p.filters - first_n, end_k - first_k - at);
      },
      [&] { finisher.begin(); });
  if (!join_splits(product, static_cast<i64>(group) * grid_x() + block_x(), p.parts, p.counters))
    return;
  finisher.finish(product);
}

}  // namespace planish
