// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/kernels/conv.cuh"

#include <algorithm>

#include "backend/cuda/kernels/conv_depthwise.cuh"
#include "emulator/kernel_case.h"

namespace planish::emulator {
namespace {

// An axis: sizes and the arithmetic of positions.
struct Axis {
  int size = 1, kernel = 1, stride = 1, dilation = 1, pad = 0, up = 1, pad_end = 0;
  int out() const {
    return ((size - 1) * up + 1 + pad + pad_end - dilation * (kernel - 1) - 1) / stride + 1;
  }
  // Index of x for an output and a tap, or -1.
  int at(int o, int t) const {
    const int p = o * stride - pad + t * dilation;
    return p >= 0 && p % up == 0 && p / up < size ? p / up : -1;
  }
};

struct Problem {
  int images, groups, channels, filters;  // of a group
  Axis d, h, w;
};

int out_pixels(const Problem& q) { return q.d.out() * q.h.out() * q.w.out(); }

// Sums for [image][pixel][group * filters]; x and w by functions of their indices.
template <class X, class W>
std::vector<double> convolve(const Problem& q, X x, W w) {
  std::vector<double> y;
  for (int image = 0; image < q.images; ++image)
    for (int pixel = 0; pixel < out_pixels(q); ++pixel)
      for (int f = 0; f < q.groups * q.filters; ++f) {
        const int od = pixel / (q.h.out() * q.w.out());
        const int oh = pixel / q.w.out() % q.h.out();
        const int ow = pixel % q.w.out();
        double sum = 0;
        for (int tap = 0; tap < q.d.kernel * q.h.kernel * q.w.kernel; ++tap) {
          const int d = q.d.at(od, tap / (q.h.kernel * q.w.kernel));
          const int h = q.h.at(oh, tap / q.w.kernel % q.h.kernel);
          const int ww = q.w.at(ow, tap % q.w.kernel);
          if (d < 0 || h < 0 || ww < 0) continue;
          for (int c = 0; c < q.channels; ++c) {
            sum += x(image, (d * q.h.size + h) * q.w.size + ww, f / q.filters * q.channels + c) *
                   w(f, tap, c);
          }
        }
        y.push_back(sum);
      }
  return y;
}

// Bias, relu, residual; rows of y padded by `gap` untouched elements.
struct Ending {
  std::vector<double> bias, residual, y;
  i64 y_pixel;
};
Ending finish(const Problem& q, const std::vector<double>& sums, int gap) {
  const int filters = q.groups * q.filters;
  Ending e;
  e.y_pixel = filters + gap;
  e.bias = random_values<f32>(filters, 7);
  e.residual = random_values<f32>(static_cast<size_t>(q.images * out_pixels(q) * e.y_pixel), 8);
  e.y.assign(e.residual.size(), kUntouched);
  for (size_t i = 0; i < sums.size(); ++i) {
    const size_t row = i / filters, f = i % filters, at = row * e.y_pixel + f;
    e.y[at] = std::fmax(0, sums[i] + e.bias[f]) + e.residual[at];
  }
  return e;
}

struct Tiles {
  int m = 32, n = 32, k = 32, stages = 3, warps_m = 2, warps_k = 1, splits = 1;
  bool is_cluster = false;
};

template <class T>
void conv(const char* entry, const Problem& q, const Tiles& t, double tolerance) {
  KernelCase c("conv");
  const int channels = q.groups * q.channels;
  const int taps = q.d.kernel * q.h.kernel * q.w.kernel;
  const int pixels = q.d.size * q.h.size * q.w.size;
  const int gap = 8;
  const i64 stride_w = (taps * q.channels + 7) / 8 * 8;
  const auto x =
      random_values<T>(static_cast<size_t>(int64_t{q.images} * pixels * (channels + gap)), 1);
  const auto w = random_values<T>(static_cast<size_t>(q.groups * q.filters * stride_w), 2);
  const auto sums = convolve(
      q, [&](int i, int p, int ch) { return x[(i * pixels + p) * (channels + gap) + ch]; },
      [&](int f, int tap, int ch) { return w[f * stride_w + tap * q.channels + ch]; });
  const Ending e = finish(q, sums, 3);
  ConvParams p{};
  p.x = c.input<T>(x);
  p.w = c.constant<T>(w);
  p.y = c.output<f32>(e.y, tolerance);
  p.x_pixel = channels + gap;
  p.x_image = pixels * p.x_pixel;
  p.y_pixel = e.y_pixel;
  p.y_image = out_pixels(q) * e.y_pixel;
  p.stride_w = stride_w;
  p.images = q.images, p.pixels = q.images * out_pixels(q);
  p.filters = q.filters;
  p.depth = q.d.size, p.height = q.h.size, p.width = q.w.size;
  p.out_depth = q.d.out(), p.out_height = q.h.out(), p.out_width = q.w.out();
  p.tail[0] = {c.constant<f32>(e.bias), 0, 0, 1};
  p.tail[1] = {c.input<f32>(e.residual), p.y_image, p.y_pixel, 1};
  Shape s;
  s.grid[0] =
      static_cast<uint32_t>(ceil_div(q.images * out_pixels(q), t.m) * ceil_div(q.filters, t.n));
  s.grid[1] = static_cast<uint32_t>(t.splits);
  s.grid[2] = static_cast<uint32_t>(q.groups);
  s.threads = static_cast<uint32_t>(32 * t.warps_m * t.warps_k);
  s.shared_bytes = static_cast<uint32_t>(
      gemm_shared_bytes(t.m, t.n, t.k, t.stages, t.warps_m, 1, t.warps_k, sizeof(T), t.is_cluster));
  if (t.splits > 1) {
    p.k_split = ceil_div(ceil_div(taps * q.channels, t.splits), t.k) * t.k;
    if (t.is_cluster) return c.run(entry, s, p);
    p.parts = c.scratch(size_t{s.grid[0]} * s.grid[1] * s.grid[2] * t.m * t.n * 4);
    p.counters = c.counters(s.grid[0] * s.grid[2]);
  }
  c.run(entry, s, p);
}

const Axis kNoDepth{};
constexpr double kTolerance = 1e-5;

TEST(ConvKernel, StridedDilatedGrouped) {
  for (const int groups : {1, 2}) {
    const Problem q{2, groups, 24, 34, kNoDepth, {9, 3, 2, 1, 1, 1, 1}, {7, 3, 1, 2, 2, 1, 2}};
    conv<f16>("conv3x3", q, {}, kTolerance);
  }
  conv<f16>("conv3x3", {1, 1, 24, 1, kNoDepth, {1, 3, 2, 1, 1, 1, 1}, {1, 3, 1, 2, 2, 1, 2}}, {},
            kTolerance);
}
TEST(ConvKernel, StepsOfOneTap) {
  const Problem q{2, 2, 64, 34, kNoDepth, {9, 3, 2, 1, 1, 1, 1}, {7, 3, 1, 2, 2, 1, 2}};
  conv<f16>("whole_taps", q, {}, kTolerance);
  Tiles t;
  t.m = 64, t.k = 64, t.warps_m = 4;
  conv<f16>("taps_together", q, t, kTolerance);
}
TEST(ConvKernel, StemOfFourChannels) {
  conv<f16>("stem", {2, 1, 4, 40, kNoDepth, {13, 7, 2, 1, 3, 1, 3}, {12, 7, 2, 1, 3, 1, 2}}, {},
            kTolerance);
}
TEST(ConvKernel, OddChannelsByWarpsOverK) {
  Tiles t;
  t.warps_k = 2;
  conv<bf16>("odd_channels", {1, 2, 5, 7, kNoDepth, {6, 3, 2, 1, 1, 1, 1}, {5, 3, 1, 2, 2, 1, 2}},
             t, kTolerance);
}
TEST(ConvKernel, ThreeAxes) {
  conv<f16>("volume",
            {2, 1, 6, 9, {4, 2, 2, 1, 1, 1, 0}, {5, 3, 2, 1, 1, 1, 1}, {5, 3, 1, 2, 2, 1, 2}}, {},
            kTolerance);
}
TEST(ConvKernel, TransposedByZerosBetween) {
  conv<f16>("upward", {2, 1, 16, 20, kNoDepth, {4, 3, 1, 1, 1, 2, 1}, {3, 3, 1, 1, 2, 3, 1}}, {},
            kTolerance);
}
TEST(ConvKernel, SplitK) {
  Tiles t;
  t.splits = 3;
  conv<f16>("split_conv", {2, 1, 24, 40, kNoDepth, {7, 3, 2, 1, 1, 1, 1}, {6, 3, 1, 2, 2, 1, 2}}, t,
            kTolerance);
}
TEST(ConvKernel, SplitOverAClusterOfBlocks) {
  Tiles t;
  t.splits = 2, t.warps_k = 2, t.k = 64;
  t.is_cluster = true;
  conv<f16>("clustered_conv",
            {2, 1, 24, 40, kNoDepth, {7, 3, 2, 1, 1, 1, 1}, {6, 3, 1, 2, 2, 1, 2}}, t, kTolerance);
}
TEST(ConvKernel, Tf32) {
  Tiles t;
  t.k = 16;
  conv<f32>("tf32_conv", {1, 1, 24, 8, kNoDepth, {5, 3, 2, 1, 1, 1, 1}, {5, 3, 1, 2, 2, 1, 2}}, t,
            2e-3);
}

TEST(ConvKernel, BytesToBytes) {
  const Problem q{2, 1, 24, 10, kNoDepth, {5, 3, 2, 1, 1, 1, 1}, {6, 3, 1, 2, 2, 1, 2}};
  KernelCase c("conv");
  const int pixels = q.h.size * q.w.size;
  const i64 stride_w = 9 * 24;
  const auto x =
      random_values<i8>(static_cast<size_t>(int64_t{q.images} * pixels * 24), 1, -128, 127);
  const auto w = random_values<i8>(static_cast<size_t>(q.filters * stride_w), 2, -128, 127);
  const auto scale = random_values<f32>(static_cast<size_t>(q.filters), 3, 0.0001, 0.002);
  auto y = convolve(
      q, [&](int i, int p, int ch) { return x[(i * pixels + p) * 24 + ch]; },
      [&](int f, int tap, int ch) { return w[f * stride_w + tap * 24 + ch]; });
  for (size_t i = 0; i < y.size(); ++i) {
    const auto scaled = static_cast<float>(y[i]) * static_cast<float>(scale[i % q.filters]);
    y[i] = std::clamp(std::nearbyint(scaled) + 3.0f, -128.0f, 127.0f);
  }
  ConvParams p{};
  p.x = c.input<i8>(x);
  p.w = c.constant<i8>(w);
  p.y = c.output<i8>(y, 0);
  p.x_pixel = 24, p.x_image = pixels * 24, p.y_pixel = q.filters;
  p.y_image = out_pixels(q) * q.filters;
  p.stride_w = stride_w;
  p.images = q.images, p.filters = q.filters, p.depth = 1, p.out_depth = 1;
  p.pixels = q.images * out_pixels(q);
  p.height = q.h.size, p.width = q.w.size, p.out_height = q.h.out(), p.out_width = q.w.out();
  p.tail[0] = {c.constant<f32>(scale), 0, 0, 1};
  Shape s;
  s.grid[0] = static_cast<uint32_t>(ceil_div(q.images * out_pixels(q), 32));
  s.threads = 64;
  s.shared_bytes = static_cast<uint32_t>(gemm_shared_bytes(32, 32, 64, 3, 2, 1, 1, 1));
  c.run("byte_conv", s, p);
}

template <class T>
void depthwise(const char* entry, const Problem& q, int vector, int pixels_a_thread) {
  KernelCase c("conv");
  const int pixels = q.h.size * q.w.size;
  const int taps = q.h.kernel * q.w.kernel;
  const auto x = random_values<T>(static_cast<size_t>(int64_t{q.images} * pixels * q.groups), 1);
  const auto w = random_values<T>(static_cast<size_t>(int64_t{taps} * q.groups), 2);
  const auto sums = convolve(
      q, [&](int i, int p, int ch) { return x[(i * pixels + p) * q.groups + ch]; },
      [&](int f, int tap, int) { return w[tap * q.groups + f]; });
  const Ending e = finish(q, sums, 0);
  ConvDepthwiseParams p{};
  p.x = c.input<T>(x);
  p.w = c.constant<T>(w);
  p.y = c.output<f32>(e.y, kTolerance);
  p.x_pixel = p.stride_w = p.channels = q.groups;
  p.x_image = pixels * p.x_pixel;
  p.y_pixel = e.y_pixel;
  p.y_image = out_pixels(q) * e.y_pixel;
  p.height = q.h.size, p.width = q.w.size, p.out_height = q.h.out(), p.out_width = q.w.out();
  p.images = q.images;
  p.items = p.out_height * ceil_div(p.out_width, pixels_a_thread) * ceil_div(p.channels, vector);
  p.tail[0] = {c.constant<f32>(e.bias), 0, 0, 1};
  p.tail[1] = {c.input<f32>(e.residual), p.y_image, p.y_pixel, 1};
  Shape s;
  s.grid[0] = static_cast<uint32_t>(
      conv_depthwise_blocks(p.out_height, p.out_width, p.channels, 128, vector, pixels_a_thread));
  s.grid[2] = static_cast<uint32_t>(least(2, q.images));
  s.threads = 128;
  c.run(entry, s, p);
}

TEST(ConvKernel, Depthwise) {
  depthwise<f16>("depthwise3x3",
                 {3, 16, 1, 1, kNoDepth, {5, 3, 1, 1, 1, 1, 1}, {7, 3, 1, 1, 1, 1, 1}}, 8, 4);
  depthwise<f16>("depthwise3x3",
                 {1, 8, 1, 1, kNoDepth, {1, 3, 1, 1, 1, 1, 1}, {1, 3, 1, 1, 1, 1, 1}}, 8, 4);
  depthwise<f32>("depthwise5x5",
                 {2, 7, 1, 1, kNoDepth, {9, 5, 2, 1, 2, 1, 2}, {11, 5, 2, 2, 3, 1, 4}}, 1, 3);
}

}  // namespace
}  // namespace planish::emulator
