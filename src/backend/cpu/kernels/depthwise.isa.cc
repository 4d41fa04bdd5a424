// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/depthwise.h"

#include "backend/cpu/kernels/activation.h"
#include "backend/cpu/kernels/vec.h"

namespace planish::cpu::PLANISH_ISA {
namespace {

// The finished floats that activation and tail find in the first-level cache.
constexpr int64_t kHotFloats = 4096;

// Neighbouring output pixels from `pixel` on, all channels.
struct Strip {
  int64_t pixel;
  // With any kernel: the windows lie inside x but for the kernel elements before `first` and from
  // `last` on. With a known one: of the strip's pixels of x, those before `first` and from `last`
  // on are outside.
  int64_t first, last;
};

template <bool whole>
PLANISH_INLINE Vec load_if(const float* p, int n) {
  return whole ? Vec::load(p) : Vec::load_part(p, n);
}

// Keeps a loaded vector in a register for all its uses: the compiler would load it again for each.
PLANISH_INLINE Vec hold(Vec x) {
  asm("" : "+v"(x.v));
  return x;
}

// kVecs vectors of channels from `c` on, of which the last has n lanes if not `whole`; kKernel and
// kStride known at compile time, dilation 1.
template <int kPixels, int kKernel, int kStride, bool edge, int kVecs, bool whole>
PLANISH_INLINE void accumulate_shared(const DepthwiseRow& g, const Strip& s, int64_t x_first,
                                      int64_t c, int n, Vec (&acc)[kVecs][kPixels]) {
  const int64_t x_pixel = g.x_pixel, w_step = g.channels, rows = g.rows;
  const int64_t x_offset = x_first * x_pixel + c;
  for (int64_t r = 0; r < rows; ++r) {
    const float* x = g.x_rows[r] + x_offset;
    const float* w = g.weight_rows[r] + c;
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; ++v, x += kLanes, w += kLanes) {
      Vec weight[kKernel];
#pragma GCC unroll 16
      for (int k = 0; k < kKernel; ++k) weight[k] = load_if<whole>(w + k * w_step, n);
#pragma GCC unroll 32
      for (int i = 0; i < (kPixels - 1) * kStride + kKernel; ++i) {
        const bool inside = !edge || (i >= s.first && i < s.last);
        const Vec pixel = inside ? hold(load_if<whole>(x + i * x_pixel, n)) : zero();
#pragma GCC unroll 16
        for (int p = 0; p < kPixels; ++p) {
          const int k = i - p * kStride;
          if (k >= 0 && k < kKernel) acc[v][p] = fma(pixel, weight[k], acc[v][p]);
        }
      }
    }
  }
}

// The same for any kernel, stride and dilation, and for windows that are cut.
template <int kPixels, int kVecs, bool whole>
PLANISH_INLINE void accumulate_any(const DepthwiseRow& g, const Strip& s, int64_t x_first,
                                   int64_t c, int n, Vec (&acc)[kVecs][kPixels]) {
  const int64_t x_step = g.stride * g.x_pixel;
  for (int64_t r = 0; r < g.rows; ++r) {
    for (int64_t k = s.first; k < s.last; ++k) {
      const float* x = g.x_rows[r] + (x_first + k * g.dilation) * g.x_pixel + c;
      const float* w = g.weight_rows[r] + k * g.channels + c;
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; ++v, x += kLanes, w += kLanes) {
        const Vec weight = load_if<whole>(w, n);
#pragma GCC unroll 16
        for (int p = 0; p < kPixels; ++p) {
          acc[v][p] = fma(load_if<whole>(x + p * x_step, n), weight, acc[v][p]);
        }
      }
    }
  }
}

// What a strip's results meet in registers.
struct Finish {
  const float* bias;      // or null
  const float* residual;  // of the strip's first pixel, or null
  int64_t residual_row;
  float* y;  // of the strip's first pixel
  int64_t y_pixel;
  Vec alpha, low, high;
};

// kKernel = 0: any.
template <int kPixels, int kKernel, int kStride, bool edge, int kVecs, bool whole>
PLANISH_INLINE void compute_channels(const DepthwiseRow& g, const Strip& s, const Finish& f,
                                     int64_t c, int n) {
  const int64_t x_first = s.pixel * g.stride - g.pad;
  Vec acc[kVecs][kPixels];
#pragma GCC unroll 2
  for (int v = 0; v < kVecs; ++v) {
#pragma GCC unroll 16
    for (int p = 0; p < kPixels; ++p) acc[v][p] = zero();
  }
  if constexpr (kKernel != 0) {
    accumulate_shared<kPixels, kKernel, kStride, edge, kVecs, whole>(g, s, x_first, c, n, acc);
  } else {
    accumulate_any<kPixels, kVecs, whole>(g, s, x_first, c, n, acc);
  }
#pragma GCC unroll 2
  for (int v = 0; v < kVecs; ++v, c += kLanes) {
    const Vec bias = f.bias != nullptr ? load_if<whole>(f.bias + c, n) : zero();
#pragma GCC unroll 16
    for (int p = 0; p < kPixels; ++p) acc[v][p] = fma(acc[v][p], f.alpha, bias);
    if (f.residual != nullptr) {
#pragma GCC unroll 16
      for (int p = 0; p < kPixels; ++p) {
        acc[v][p] = acc[v][p] + load_if<whole>(f.residual + p * f.residual_row + c, n);
      }
    }
    float* y = f.y + c;
#pragma GCC unroll 16
    for (int p = 0; p < kPixels; ++p, y += f.y_pixel) {
      // Without clipping the bounds are infinite: nothing changes, NaN included.
      const Vec result = clamp(acc[v][p], f.low, f.high);
      if (whole) {
        result.store(y);
      } else {
        result.store_part(y, n);
      }
    }
  }
}

template <int kPixels, int kKernel, int kStride, bool edge>
void compute_strip(const DepthwiseRow& g, const Strip& s, bool clip) {
  constexpr int kVecs = kLanes == 16 ? 2 : 1;
  const Epilogue& e = g.epilogue;
  const bool add = e.residual != nullptr && !e.residual_last;
  const Finish f = {e.bias,
                    add ? e.residual + s.pixel * e.residual_row : nullptr,
                    e.residual_row,
                    g.y + s.pixel * g.y_pixel,
                    g.y_pixel,
                    Vec::broadcast(e.alpha),
                    Vec::broadcast(clip ? e.p : -__builtin_inff()),
                    Vec::broadcast(clip ? e.q : __builtin_inff())};
  int64_t c = 0;
  for (; c + kVecs * kLanes <= g.channels; c += kVecs * kLanes) {
    compute_channels<kPixels, kKernel, kStride, edge, kVecs, true>(g, s, f, c, kLanes);
  }
  for (; c + kLanes <= g.channels; c += kLanes) {
    compute_channels<kPixels, kKernel, kStride, edge, 1, true>(g, s, f, c, kLanes);
  }
  if (c < g.channels) {
    compute_channels<kPixels, kKernel, kStride, edge, 1, false>(g, s, f, c,
                                                                static_cast<int>(g.channels - c));
  }
}

constexpr int kStripPixels = 4;

using StripFunction = void (*)(const DepthwiseRow&, const Strip&, bool clip);

// Strips of 1 to kStripPixels pixels.
struct StripTable {
  StripFunction by_pixels[kStripPixels + 1];
};

template <int kKernel, int kStride, bool edge>
constexpr StripTable kStrips = {
    {nullptr, &compute_strip<1, kKernel, kStride, edge>, &compute_strip<2, kKernel, kStride, edge>,
     &compute_strip<3, kKernel, kStride, edge>, &compute_strip<4, kKernel, kStride, edge>}};

// Strips inside x, and strips that reach beyond it.
struct Strips {
  const StripTable* inner;
  const StripTable* edge;
};

template <int kKernel, int kStride>
constexpr Strips kKnown = {&kStrips<kKernel, kStride, false>, &kStrips<kKernel, kStride, true>};

constexpr Strips kAny = {&kStrips<0, 0, false>, nullptr};

Strips choose_strips(const DepthwiseRow& g) {
  if (g.dilation == 1 && g.stride == 1) {
    if (g.kernel == 3) return kKnown<3, 1>;
    if (g.kernel == 5) return kKnown<5, 1>;
    if (g.kernel == 7) return kKnown<7, 1>;
  }
  if (g.dilation == 1 && g.stride == 2) {
    if (g.kernel == 3) return kKnown<3, 2>;
    if (g.kernel == 5) return kKnown<5, 2>;
  }
  return kAny;
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

// Output pixels [inner, outer) of a row have whole windows.
struct Row {
  Strips strips;
  int64_t inner, outer;
  bool clip;
};

// Computes a strip from `pixel` on; its length.
int64_t strip_from(const DepthwiseRow& g, const Row& row, int64_t pixel) {
  const bool inside = pixel >= row.inner && pixel < row.outer;
  const int64_t x = pixel * g.stride - g.pad;
  if (inside && (row.outer - pixel >= kStripPixels || row.strips.edge == nullptr)) {
    const int64_t n = least<int64_t>(row.outer - pixel, kStripPixels);
    row.strips.inner->by_pixels[n](g, {pixel, 0, g.kernel}, row.clip);
    return n;
  }
  if (row.strips.edge != nullptr) {
    const int64_t n = least<int64_t>(g.out_width - pixel, kStripPixels);
    row.strips.edge->by_pixels[n](g, {pixel, -x, g.in_width - x}, row.clip);
    return n;
  }
  const int64_t first = least(first_at_least(-x, g.dilation), g.kernel);
  const int64_t last = least(first_at_least(g.in_width - x, g.dilation), g.kernel);
  kAny.inner->by_pixels[1](g, {pixel, first, last}, row.clip);
  return 1;
}

void compute_row(const DepthwiseRow& g) {
  Row row;
  row.strips = choose_strips(g);
  row.clip = g.epilogue.activation == Activation::clip && !activation::needs_pass(g.epilogue);
  const int64_t window = (g.kernel - 1) * g.dilation + 1;
  row.inner = least(first_at_least(g.pad, g.stride), g.out_width);
  const int64_t end = first_at_least(g.in_width + g.pad - window + 1, g.stride);
  row.outer = greatest(row.inner, least(end, g.out_width));
  int64_t done = 0;
  for (int64_t pixel = 0; pixel < g.out_width;) {
    pixel += strip_from(g, row, pixel);
    if (pixel == g.out_width || (pixel - done) * g.channels >= kHotFloats) {
      complete(g, done, pixel);
      done = pixel;
    }
  }
}

}  // namespace

const DepthwiseKernels kDepthwiseKernels = {&compute_row};

}  // namespace planish::cpu::PLANISH_ISA
