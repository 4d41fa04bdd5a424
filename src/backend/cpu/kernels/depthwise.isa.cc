// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/depthwise.h"

#include "backend/cpu/kernels/activation.h"
#include "backend/cpu/kernels/vec.h"

namespace planish::cpu::PLANISH_ISA {
namespace {

// The finished floats that activation and tail find in the first-level cache.
constexpr int64_t kHotFloats = 4096;

// kPixels neighbouring output pixels, all channels, whose windows lie inside x but for the kernel
// elements before `first` and from `last` on.
struct Strip {
  int64_t pixel;        // of the output row
  int64_t first, last;  // kernel elements along the width
};

template <bool whole>
PLANISH_INLINE Vec load_if(const float* p, int n) {
  return whole ? Vec::load(p) : Vec::load_part(p, n);
}

// One vector of channels from `c` on; kKernel and kStride known at compile time, dilation 1.
template <int kPixels, int kKernel, int kStride, bool whole>
PLANISH_INLINE void accumulate_shared(const DepthwiseRow& g, int64_t x_first, int64_t c, int n,
                                      Vec (&acc)[kPixels]) {
  for (int64_t r = 0; r < g.rows; ++r) {
    const float* x = g.x_rows[r] + x_first * g.x_pixel + c;
    const float* w = g.weight_rows[r] + c;
    Vec weight[kKernel];
#pragma GCC unroll 16
    for (int k = 0; k < kKernel; ++k) weight[k] = load_if<whole>(w + k * g.channels, n);
#pragma GCC unroll 32
    for (int i = 0; i < (kPixels - 1) * kStride + kKernel; ++i) {
      const Vec v = load_if<whole>(x + i * g.x_pixel, n);
#pragma GCC unroll 16
      for (int p = 0; p < kPixels; ++p) {
        const int k = i - p * kStride;
        if (k >= 0 && k < kKernel) acc[p] = fma(v, weight[k], acc[p]);
      }
    }
  }
}

// The same for any kernel, stride and dilation, and for windows that are cut.
template <int kPixels, bool whole>
PLANISH_INLINE void accumulate_any(const DepthwiseRow& g, const Strip& s, int64_t x_first,
                                   int64_t c, int n, Vec (&acc)[kPixels]) {
  for (int64_t r = 0; r < g.rows; ++r) {
    for (int64_t k = s.first; k < s.last; ++k) {
      const float* x = g.x_rows[r] + (x_first + k * g.dilation) * g.x_pixel + c;
      const Vec weight = load_if<whole>(g.weight_rows[r] + k * g.channels + c, n);
#pragma GCC unroll 16
      for (int p = 0; p < kPixels; ++p) {
        acc[p] = fma(load_if<whole>(x + p * g.stride * g.x_pixel, n), weight, acc[p]);
      }
    }
  }
}

// kKernel = 0: any.
template <int kPixels, int kKernel, int kStride, bool whole>
PLANISH_INLINE void compute_channels(const DepthwiseRow& g, const Strip& s, bool clip, int64_t c,
                                     int n) {
  const Epilogue& e = g.epilogue;
  const int64_t x_first = s.pixel * g.stride - g.pad;
  Vec acc[kPixels];
#pragma GCC unroll 16
  for (int p = 0; p < kPixels; ++p) acc[p] = zero();
  if constexpr (kKernel != 0) {
    accumulate_shared<kPixels, kKernel, kStride, whole>(g, x_first, c, n, acc);
  } else {
    accumulate_any<kPixels, whole>(g, s, x_first, c, n, acc);
  }
  const Vec bias = e.bias != nullptr ? load_if<whole>(e.bias + c, n) : zero();
  const Vec alpha = Vec::broadcast(e.alpha);
  const Vec low = Vec::broadcast(e.p), high = Vec::broadcast(e.q);
#pragma GCC unroll 16
  for (int p = 0; p < kPixels; ++p) {
    Vec v = fma(acc[p], alpha, bias);
    if (e.residual != nullptr && !e.residual_last) {
      v = v + load_if<whole>(e.residual + (s.pixel + p) * e.residual_row + c, n);
    }
    if (clip) v = clamp(v, low, high);
    float* y = g.y + (s.pixel + p) * g.y_pixel + c;
    if (whole) {
      v.store(y);
    } else {
      v.store_part(y, n);
    }
  }
}

template <int kPixels, int kKernel, int kStride>
void compute_strip(const DepthwiseRow& g, const Strip& s, bool clip) {
  int64_t c = 0;
  for (; c + kLanes <= g.channels; c += kLanes) {
    compute_channels<kPixels, kKernel, kStride, true>(g, s, clip, c, kLanes);
  }
  if (c < g.channels) {
    compute_channels<kPixels, kKernel, kStride, false>(g, s, clip, c,
                                                       static_cast<int>(g.channels - c));
  }
}

constexpr int kStripPixels = 4;

using StripFunction = void (*)(const DepthwiseRow&, const Strip&, bool clip);

// Strips of 1 to kStripPixels pixels.
struct StripTable {
  StripFunction by_pixels[kStripPixels + 1];
};

template <int kKernel, int kStride>
constexpr StripTable kStrips = {
    {nullptr, &compute_strip<1, kKernel, kStride>, &compute_strip<2, kKernel, kStride>,
     &compute_strip<3, kKernel, kStride>, &compute_strip<4, kKernel, kStride>}};

const StripTable& choose_strips(const DepthwiseRow& g) {
  if (g.dilation == 1 && g.stride == 1) {
    if (g.kernel == 3) return kStrips<3, 1>;
    if (g.kernel == 5) return kStrips<5, 1>;
    if (g.kernel == 7) return kStrips<7, 1>;
  }
  if (g.dilation == 1 && g.stride == 2) {
    if (g.kernel == 3) return kStrips<3, 2>;
    if (g.kernel == 5) return kStrips<5, 2>;
  }
  return kStrips<0, 0>;
}

void complete(const DepthwiseRow& g, int64_t begin, int64_t end) {
  const Epilogue& e = g.epilogue;
  float* y = g.y + begin * g.y_pixel;
  if (activation::needs_pass(e)) {
    const float* residual =
        e.residual_last && e.residual != nullptr ? e.residual + begin * e.residual_row : nullptr;
    activation::apply_rows(e, y, g.y_pixel, end - begin, g.channels, residual);
  }
  if (e.tail != nullptr) {
    e.tail(e.tail_state, y, g.y_pixel, 0, g.row0 + begin, end - begin, 0, g.channels);
  }
}

// The first j with j * stride >= n.
int64_t first_at_least(int64_t n, int64_t stride) { return n <= 0 ? 0 : (n + stride - 1) / stride; }

void row(const DepthwiseRow& g) {
  const StripTable& strips = choose_strips(g);
  const bool clip =
      g.epilogue.activation == Activation::clip && !activation::needs_pass(g.epilogue);
  // Output pixels [inner, outer) have whole windows.
  const int64_t window = (g.kernel - 1) * g.dilation + 1;
  const int64_t inner = least(first_at_least(g.pad, g.stride), g.out_width);
  const int64_t outer = greatest(
      inner, least(first_at_least(g.in_width + g.pad - window + 1, g.stride), g.out_width));
  int64_t done = 0;
  for (int64_t pixel = 0; pixel < g.out_width;) {
    int64_t n = 1;
    if (pixel >= inner && pixel < outer) {
      n = least<int64_t>(outer - pixel, kStripPixels);
      strips.by_pixels[n](g, {pixel, 0, g.kernel}, clip);
    } else {
      const int64_t x = pixel * g.stride - g.pad;
      const int64_t first = least(first_at_least(-x, g.dilation), g.kernel);
      const int64_t last = least(first_at_least(g.in_width - x, g.dilation), g.kernel);
      kStrips<0, 0>.by_pixels[1](g, {pixel, first, last}, clip);
    }
    pixel += n;
    if (pixel == g.out_width || (pixel - done) * g.channels >= kHotFloats) {
      complete(g, done, pixel);
      done = pixel;
    }
  }
}

}  // namespace

const DepthwiseKernels kDepthwiseKernels = {&row};

}  // namespace planish::cpu::PLANISH_ISA
