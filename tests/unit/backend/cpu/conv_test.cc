// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/conv.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/kernels/depthwise.h"
#include "planish/error.h"
#include "runtime/thread_pool.h"
#include "unit/backend/cpu/guarded_buffer.h"

namespace planish::cpu {
namespace {

// Sizes of one problem; `end` are the paddings after the last pixel.
struct Problem {
  const char* name;
  int64_t batch, in_channels, out_channels, groups;
  int64_t in[3], kernel[3], stride[3], dilation[3], pad[3], end[3];
};

Conv conv_of(const Problem& p, bool transposed) {
  Conv c;
  c.batch = p.batch;
  c.in_channels = p.in_channels;
  c.out_channels = p.out_channels;
  c.groups = p.groups;
  for (int i = 0; i < 3; ++i) {
    c.in[i] = p.in[i];
    c.kernel[i] = p.kernel[i];
    c.stride[i] = p.stride[i];
    c.dilation[i] = p.dilation[i];
    c.pad[i] = p.pad[i];
    const int64_t window = (p.kernel[i] - 1) * p.dilation[i] + 1;
    c.out[i] = transposed ? (p.in[i] - 1) * p.stride[i] + window - p.pad[i] - p.end[i]
                          : (p.in[i] + p.pad[i] + p.end[i] - window) / p.stride[i] + 1;
  }
  return c;
}

int64_t volume(const int64_t (&size)[3]) { return size[0] * size[1] * size[2]; }

struct Tensor {
  int64_t pixel, batch;
  bool planar;
  int64_t at(int64_t image, int64_t position, int64_t channel, int64_t plane) const {
    return image * batch + (planar ? channel * plane + position : position * pixel + channel);
  }
};

// y [batch, out pixels, out_channels] in double precision. Every input pixel meets every kernel
// element; the output position that they share is o = i * stride - pad + k * dilation when
// transposed, and for a convolution i = o * stride - pad + k * dilation.
std::vector<double> naive(const Conv& c, const float* weights, bool transposed) {
  const int64_t in_pixels = volume(c.in), out_pixels = volume(c.out), taps = volume(c.kernel);
  const int64_t in_group = c.in_channels / c.groups, out_group = c.out_channels / c.groups;
  const Tensor x{c.x_pixel, c.x_batch, c.x_planar};
  std::vector<double> y(c.batch * out_pixels * c.out_channels);
  const auto coordinate = [](int64_t index, const int64_t(&size)[3], int i) {
    return i == 0   ? index / size[2] / size[1]
           : i == 1 ? index / size[2] % size[1]
                    : index % size[2];
  };
  for (int64_t from = 0; from < (transposed ? in_pixels : out_pixels); ++from) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      int64_t to = 0;
      bool inside = true;
      for (int i = 0; i < 3; ++i) {
        const int64_t at = coordinate(from, transposed ? c.in : c.out, i) * c.stride[i] - c.pad[i] +
                           coordinate(tap, c.kernel, i) * c.dilation[i];
        const int64_t limit = transposed ? c.out[i] : c.in[i];
        inside = inside && at >= 0 && at < limit;
        to = to * limit + at;
      }
      if (!inside) continue;
      const int64_t in = transposed ? from : to, out = transposed ? to : from;
      for (int64_t n = 0; n < c.batch; ++n) {
        for (int64_t o = 0; o < c.out_channels; ++o) {
          double sum = 0;
          for (int64_t i = 0; i < in_group; ++i) {
            const int64_t channel = o / out_group * in_group + i;
            const int64_t w = transposed ? (channel * out_group + o % out_group) * taps + tap
                                         : (o * in_group + i) * taps + tap;
            sum += static_cast<double>(c.x[x.at(n, in, channel, in_pixels)]) *
                   static_cast<double>(weights[w]);
          }
          y[(n * out_pixels + out) * c.out_channels + o] += sum;
        }
      }
    }
  }
  return y;
}

enum class Kind { conv, deconv, depthwise };

// The functions of one kind, called alike.
int64_t packed_floats(Kind kind, Isa isa, const Conv& c) {
  return kind == Kind::conv     ? conv_packed_floats(isa, c)
         : kind == Kind::deconv ? deconv_packed_floats(isa, c)
                                : depthwise_packed_floats(c);
}
void pack(Kind kind, Isa isa, const Conv& c, const float* weights, float* packed) {
  if (kind == Kind::conv) conv_pack(isa, c, weights, packed);
  if (kind == Kind::deconv) deconv_pack(isa, c, weights, packed);
  if (kind == Kind::depthwise) depthwise_pack(c, weights, packed);
}
int64_t scratch_bytes(Kind kind, Isa isa, const Conv& c, int threads) {
  return kind == Kind::conv     ? conv_scratch_bytes(isa, c, threads)
         : kind == Kind::deconv ? deconv_scratch_bytes(isa, c, threads)
                                : depthwise_scratch_bytes(c, threads);
}
void run(Kind kind, Isa isa, const Conv& c, ThreadPool& pool) {
  Scratch scratch(scratch_bytes(kind, isa, c, pool.threads()));
  if (kind == Kind::conv) conv(isa, c, scratch.data(), pool);
  if (kind == Kind::deconv) deconv(isa, c, scratch.data(), pool);
  if (kind == Kind::depthwise) depthwise(isa, c, scratch.data(), pool);
}

struct Layout {
  bool x_planar = false;
  int64_t x_gap = 0, y_gap = 0;  // floats between the channels of neighbouring pixels
};

void check(const Problem& p, Isa isa, ThreadPool& pool, Kind kind, Layout layout) {
  const bool transposed = kind == Kind::deconv;
  Conv c = conv_of(p, transposed);
  const int64_t in_pixels = volume(c.in), out_pixels = volume(c.out), taps = volume(c.kernel);
  c.x_planar = layout.x_planar;
  c.x_pixel = layout.x_planar ? 0 : c.in_channels + layout.x_gap;
  c.x_batch = layout.x_planar ? c.in_channels * in_pixels : in_pixels * c.x_pixel;
  c.y_pixel = c.out_channels + layout.y_gap;
  c.y_batch = out_pixels * c.y_pixel;
  GuardedBuffer x(c.batch * c.x_batch - layout.x_gap);
  GuardedBuffer weights(c.out_channels * c.in_channels / c.groups * taps);
  GuardedBuffer bias(c.out_channels), y(c.batch * c.y_batch - layout.y_gap);
  GuardedBuffer residual(c.batch * out_pixels * c.out_channels);
  x.fill_random(1);
  weights.fill_random(2);
  bias.fill_random(3);
  residual.fill_random(4);
  y.fill(-77.0f);
  c.x = x.data();
  std::vector<double> expected = naive(c, weights.data(), transposed);
  for (size_t i = 0; i < expected.size(); ++i) {
    const double sum = expected[i] + bias[static_cast<int64_t>(i) % c.out_channels] +
                       residual[static_cast<int64_t>(i)];
    expected[i] = std::fmin(std::fmax(sum, -0.5), 4.0);
  }
  GuardedBuffer packed(packed_floats(kind, isa, c));
  pack(kind, isa, c, weights.data(), packed.data());
  c.weights = packed.data();
  c.y = y.data();
  c.epilogue.bias = bias.data();
  c.epilogue.residual = residual.data();
  c.epilogue.residual_row = c.out_channels;
  c.residual_batch = out_pixels * c.out_channels;
  c.epilogue.activation = Activation::clip;
  c.epilogue.p = -0.5f;
  c.epilogue.q = 4.0f;
  run(kind, isa, c, pool);
  const double tolerance = 4e-6 * std::sqrt(static_cast<double>(taps * c.in_channels) + 1);
  for (int64_t i = 0; i < c.batch * out_pixels; ++i) {
    for (int64_t o = 0; o < c.out_channels; ++o) {
      ASSERT_NEAR(y[i * c.y_pixel + o], expected[i * c.out_channels + o], tolerance)
          << p.name << " " << isa_name(isa) << " threads " << pool.threads() << " planar "
          << layout.x_planar << " gaps " << layout.x_gap << " at pixel " << i << " channel " << o;
    }
    for (int64_t o = c.out_channels; i + 1 < c.batch * out_pixels && o < c.y_pixel; ++o) {
      ASSERT_EQ(y[i * c.y_pixel + o], -77.0f) << p.name;
    }
  }
}

const Problem kConvs[] = {
    {"pointwise", 2, 20, 35, 1, {1, 5, 7}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {"pointwise, stride 2",
     1,
     17,
     33,
     1,
     {1, 9, 8},
     {1, 1, 1},
     {1, 2, 2},
     {1, 1, 1},
     {0, 0, 0},
     {0, 0, 0}},
    {"3x3 same", 2, 16, 40, 1, {1, 14, 15}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {"3x3 valid", 1, 9, 31, 1, {1, 11, 30}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {"3x3 stride 2",
     3,
     12,
     24,
     1,
     {1, 13, 16},
     {1, 3, 3},
     {1, 2, 2},
     {1, 1, 1},
     {0, 1, 1},
     {0, 1, 1}},
    {"first layer",
     1,
     3,
     32,
     1,
     {1, 33, 29},
     {1, 7, 7},
     {1, 2, 2},
     {1, 1, 1},
     {0, 3, 3},
     {0, 3, 3}},
    {"dilated", 1, 8, 17, 1, {1, 20, 21}, {1, 3, 3}, {1, 1, 1}, {1, 4, 2}, {0, 4, 2}, {0, 4, 2}},
    {"uneven padding",
     1,
     5,
     6,
     1,
     {1, 7, 6},
     {1, 2, 4},
     {1, 1, 3},
     {1, 1, 1},
     {0, 0, 2},
     {0, 1, 3}},
    {"padding beyond x",
     1,
     4,
     4,
     1,
     {1, 3, 2},
     {1, 2, 2},
     {1, 1, 2},
     {1, 1, 1},
     {0, 5, 6},
     {0, 4, 7}},
    {"one-dimensional",
     2,
     80,
     48,
     1,
     {1, 1, 50},
     {1, 1, 5},
     {1, 1, 1},
     {1, 1, 1},
     {0, 0, 2},
     {0, 0, 2}},
    {"three-dimensional",
     2,
     6,
     19,
     1,
     {5, 6, 7},
     {3, 2, 3},
     {2, 1, 1},
     {1, 2, 1},
     {1, 1, 0},
     {1, 0, 2}},
    {"grouped", 1, 24, 48, 4, {1, 9, 9}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {"grouped, valid",
     2,
     10,
     15,
     5,
     {1, 6, 9},
     {1, 1, 2},
     {1, 1, 1},
     {1, 1, 1},
     {0, 0, 0},
     {0, 0, 0}},
    {"depthwise", 1, 21, 42, 21, {1, 8, 8}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {"stride past the kernel",
     1,
     7,
     9,
     1,
     {1, 17, 19},
     {1, 2, 1},
     {1, 5, 4},
     {1, 1, 1},
     {0, 1, 0},
     {0, 0, 0}},
    {"deep", 1, 300, 70, 1, {1, 7, 7}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {"bands", 1, 64, 20, 1, {1, 60, 57}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {"many taps", 1, 1, 5, 1, {1, 12, 12}, {1, 9, 9}, {1, 1, 1}, {1, 1, 1}, {0, 4, 4}, {0, 4, 4}},
};

TEST(Conv, MatchesNaive) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (const Isa isa : supported_isas()) {
      for (const Problem& p : kConvs) {
        check(p, isa, pool, Kind::conv, {});
        check(p, isa, pool, Kind::conv, {.x_gap = 3, .y_gap = 5});
        check(p, isa, pool, Kind::conv, {.x_planar = true});
      }
    }
  }
}

const Problem kDeconvs[] = {
    {"2x2 stride 2",
     2,
     16,
     24,
     1,
     {1, 7, 9},
     {1, 2, 2},
     {1, 2, 2},
     {1, 1, 1},
     {0, 0, 0},
     {0, 0, 0}},
    {"4x4 stride 2",
     1,
     20,
     33,
     1,
     {1, 6, 5},
     {1, 4, 4},
     {1, 2, 2},
     {1, 1, 1},
     {0, 1, 1},
     {0, 1, 1}},
    {"3x3 stride 2, output padding",
     1,
     9,
     10,
     1,
     {1, 5, 6},
     {1, 3, 3},
     {1, 2, 2},
     {1, 1, 1},
     {0, 1, 1},
     {0, 0, 0}},
    {"stride 1", 1, 8, 17, 1, {1, 9, 8}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {"stride past the kernel",
     1,
     5,
     7,
     1,
     {1, 4, 3},
     {1, 2, 1},
     {1, 3, 4},
     {1, 1, 1},
     {0, 0, 0},
     {0, 0, 0}},
    {"dilated", 1, 6, 5, 1, {1, 5, 6}, {1, 3, 2}, {1, 2, 3}, {1, 2, 2}, {0, 1, 0}, {0, 2, 1}},
    {"dilation and stride share a factor",
     1,
     4,
     4,
     1,
     {1, 4, 5},
     {1, 3, 3},
     {1, 4, 6},
     {1, 2, 4},
     {0, 1, 2},
     {0, 0, 1}},
    {"grouped", 2, 12, 18, 3, {1, 5, 4}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 0, 0}},
    {"one-dimensional",
     1,
     10,
     12,
     1,
     {1, 1, 20},
     {1, 1, 8},
     {1, 1, 4},
     {1, 1, 1},
     {0, 0, 2},
     {0, 0, 2}},
    {"three-dimensional",
     1,
     3,
     4,
     1,
     {3, 4, 5},
     {2, 3, 2},
     {2, 2, 1},
     {1, 1, 1},
     {0, 1, 0},
     {1, 0, 0}},
};

TEST(Deconv, MatchesNaive) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (const Isa isa : supported_isas()) {
      for (const Problem& p : kDeconvs) {
        check(p, isa, pool, Kind::deconv, {});
        check(p, isa, pool, Kind::deconv, {.x_gap = 1, .y_gap = 2});
      }
    }
  }
}

const Problem kDepthwise[] = {
    {"3x3", 2, 35, 35, 35, {1, 9, 13}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {"3x3 stride 2",
     1,
     64,
     64,
     64,
     {1, 12, 11},
     {1, 3, 3},
     {1, 2, 2},
     {1, 1, 1},
     {0, 1, 1},
     {0, 1, 1}},
    {"3x3 stride 2, pad end only",
     1,
     7,
     7,
     7,
     {1, 8, 8},
     {1, 3, 3},
     {1, 2, 2},
     {1, 1, 1},
     {0, 0, 0},
     {0, 1, 1}},
    {"5x5", 1, 24, 24, 24, {1, 7, 7}, {1, 5, 5}, {1, 1, 1}, {1, 1, 1}, {0, 2, 2}, {0, 2, 2}},
    {"5x5 stride 2",
     1,
     48,
     48,
     48,
     {1, 14, 14},
     {1, 5, 5},
     {1, 2, 2},
     {1, 1, 1},
     {0, 2, 2},
     {0, 2, 2}},
    {"7x7", 1, 33, 33, 33, {1, 10, 9}, {1, 7, 7}, {1, 1, 1}, {1, 1, 1}, {0, 3, 3}, {0, 3, 3}},
    {"kernel as large as x",
     1,
     10,
     10,
     10,
     {1, 3, 2},
     {1, 7, 7},
     {1, 1, 1},
     {1, 1, 1},
     {0, 3, 3},
     {0, 3, 3}},
    {"dilated", 1, 16, 16, 16, {1, 15, 16}, {1, 3, 3}, {1, 1, 1}, {1, 2, 3}, {0, 2, 3}, {0, 2, 3}},
    {"multiplier", 2, 11, 33, 11, {1, 6, 7}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {"one-dimensional",
     1,
     40,
     40,
     40,
     {1, 1, 31},
     {1, 1, 4},
     {1, 1, 1},
     {1, 1, 1},
     {0, 0, 3},
     {0, 0, 0}},
    {"three-dimensional",
     1,
     9,
     18,
     9,
     {4, 5, 6},
     {2, 3, 2},
     {1, 2, 1},
     {2, 1, 1},
     {1, 1, 0},
     {1, 1, 1}},
    {"stride 3", 1, 20, 20, 20, {1, 10, 20}, {1, 3, 3}, {1, 3, 3}, {1, 1, 1}, {0, 0, 1}, {0, 0, 1}},
    {"padding beyond x",
     1,
     5,
     5,
     5,
     {1, 2, 3},
     {1, 2, 2},
     {1, 1, 1},
     {1, 1, 1},
     {0, 3, 4},
     {0, 3, 4}},
    {"wide", 1, 130, 130, 130, {1, 4, 60}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
};

TEST(Depthwise, MatchesNaive) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (const Isa isa : supported_isas()) {
      for (const Problem& p : kDepthwise) {
        check(p, isa, pool, Kind::depthwise, {});
        check(p, isa, pool, Kind::depthwise, {.x_gap = 3, .y_gap = 5});
      }
    }
  }
}

struct Seen {
  int64_t channels;
  std::vector<std::atomic<int>>* visits;
};

void count_visits(const void* state, float*, int64_t, int64_t batch, int64_t row0, int64_t rows,
                  int64_t col0, int64_t cols) {
  const Seen& seen = *static_cast<const Seen*>(state);
  if (batch != 0) return;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) ++(*seen.visits)[(row0 + i) * seen.channels + col0 + j];
  }
}

void check_tail(const Problem& p, Isa isa, ThreadPool& pool, Kind kind) {
  Conv c = conv_of(p, kind == Kind::deconv);
  c.x_pixel = c.in_channels;
  c.x_batch = volume(c.in) * c.x_pixel;
  c.y_pixel = c.out_channels;
  c.y_batch = volume(c.out) * c.y_pixel;
  GuardedBuffer x(c.batch * c.x_batch), packed(packed_floats(kind, isa, c));
  GuardedBuffer y(c.batch * c.y_batch);
  std::vector<std::atomic<int>> visits(y.size());
  const Seen seen{c.out_channels, &visits};
  c.x = x.data();
  c.weights = packed.data();
  c.y = y.data();
  c.epilogue.tail = &count_visits;
  c.epilogue.tail_state = &seen;
  run(kind, isa, c, pool);
  for (const auto& n : visits) ASSERT_EQ(n.load(), 1) << p.name;
}

TEST(Conv, TailSeesEachPixelOnce) {
  ThreadPool pool(3);
  for (const Isa isa : supported_isas()) {
    for (const Problem& p : kConvs) check_tail(p, isa, pool, Kind::conv);
    for (const Problem& p : kDepthwise) check_tail(p, isa, pool, Kind::depthwise);
  }
}

TEST(Conv, ZeroMarginsKeepNanInItsWindows) {
  ThreadPool pool(1);
  for (const Isa isa : supported_isas()) {
    Conv c = conv_of(kConvs[2], false);
    c.batch = 1;
    c.x_pixel = c.in_channels;
    c.y_pixel = c.out_channels;
    GuardedBuffer x(volume(c.in) * c.in_channels), packed(conv_packed_floats(isa, c));
    GuardedBuffer w(c.in_channels * c.out_channels * 9), y(volume(c.out) * c.out_channels);
    x.fill(1.0f);
    w.fill(0.5f);
    x[0] = std::numeric_limits<float>::quiet_NaN();
    conv_pack(isa, c, w.data(), packed.data());
    c.x = x.data();
    c.weights = packed.data();
    c.y = y.data();
    c.epilogue.activation = Activation::clip;
    c.epilogue.q = std::numeric_limits<float>::infinity();
    Scratch scratch(conv_scratch_bytes(isa, c, 1));
    conv(isa, c, scratch.data(), pool);
    for (int64_t i = 0; i < y.size(); ++i) {
      const int64_t pixel = i / c.out_channels;
      const bool near = pixel / c.out[2] < 2 && pixel % c.out[2] < 2;
      ASSERT_EQ(std::isnan(y[i]), near) << pixel;
    }
  }
}

TEST(Conv, ScratchThatDoesNotFitIsAnError) {
  Conv c;
  c.in_channels = c.out_channels = 1 << 20;
  c.kernel[2] = 2;
  c.dilation[2] = int64_t{1} << 44;
  c.pad[2] = int64_t{1} << 44;
  EXPECT_THROW(conv_scratch_bytes(Isa::plain, c, 2), planish::Error);
}

}  // namespace
}  // namespace planish::cpu
