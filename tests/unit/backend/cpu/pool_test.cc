// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "runtime/thread_pool.h"
#include "unit/backend/cpu/guarded_buffer.h"

namespace planish::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

enum class Kind { max, average, average_with_pad };

struct Problem {
  const char* name;
  int64_t batch, channels;
  int64_t in[3], kernel[3], stride[3], dilation[3], pad[3], end[3];
  bool ceil;
};

Pool pool_of(const Problem& p) {
  Pool q;
  q.batch = p.batch;
  q.channels = p.channels;
  for (int i = 0; i < 3; ++i) {
    q.in[i] = p.in[i];
    q.kernel[i] = p.kernel[i];
    q.stride[i] = p.stride[i];
    q.dilation[i] = p.dilation[i];
    q.pad[i] = p.pad[i];
    q.pad_end[i] = p.end[i];
    const int64_t room = p.in[i] + p.pad[i] + p.end[i] - (p.kernel[i] - 1) * p.dilation[i] - 1;
    q.out[i] = (room + (p.ceil ? p.stride[i] - 1 : 0)) / p.stride[i] + 1;
  }
  return q;
}

// One output element straight from the definition.
double naive(const Pool& p, Kind kind, int64_t image, const int64_t (&o)[3], int64_t channel) {
  double sum = 0, most = -kInf;
  int64_t inside = 0, padded = 0;
  for (int64_t d = 0; d < p.kernel[0]; ++d) {
    for (int64_t h = 0; h < p.kernel[1]; ++h) {
      for (int64_t w = 0; w < p.kernel[2]; ++w) {
        const int64_t k[3] = {d, h, w};
        int64_t at[3];
        bool in_x = true, in_padding = true;
        for (int i = 0; i < 3; ++i) {
          at[i] = o[i] * p.stride[i] - p.pad[i] + k[i] * p.dilation[i];
          in_x = in_x && at[i] >= 0 && at[i] < p.in[i];
          in_padding = in_padding && at[i] < p.in[i] + p.pad_end[i];
        }
        padded += in_padding ? 1 : 0;
        if (!in_x) continue;
        ++inside;
        const int64_t pixel = (at[0] * p.in[1] + at[1]) * p.in[2] + at[2];
        const double x = p.x[image * p.x_batch + pixel * p.x_pixel + channel];
        sum += x;
        most = std::isnan(x) || std::isnan(most) ? std::nan("") : std::max(most, x);
      }
    }
  }
  if (kind == Kind::max) return most;
  const int64_t count = kind == Kind::average ? inside : padded;
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

void run(const Pool& p, Kind kind, Isa isa, ThreadPool& pool) {
  if (kind == Kind::max) {
    max_pool(isa, p, pool);
  } else {
    average_pool(isa, p, kind == Kind::average_with_pad, pool);
  }
}

void check(const Problem& problem, Kind kind, Isa isa, ThreadPool& pool, int64_t gap,
           bool with_nan) {
  Pool p = pool_of(problem);
  const int64_t in_pixels = p.in[0] * p.in[1] * p.in[2];
  const int64_t out_pixels = p.out[0] * p.out[1] * p.out[2];
  p.x_pixel = p.channels + gap;
  p.y_pixel = p.channels + 2 * gap;
  p.x_batch = in_pixels * p.x_pixel;
  p.y_batch = out_pixels * p.y_pixel;
  GuardedBuffer x(p.batch * p.x_batch - gap), y(p.batch * p.y_batch - 2 * gap);
  x.fill_random(7);
  y.fill(-77.0f);
  if (with_nan) {
    for (int64_t i = 5; i < x.size(); i += 97) x[i] = std::numeric_limits<float>::quiet_NaN();
    for (int64_t i = 6; i < x.size(); i += 89) x[i] = -kInf;
  }
  p.x = x.data();
  p.y = y.data();
  run(p, kind, isa, pool);
  for (int64_t n = 0; n < p.batch; ++n) {
    for (int64_t i = 0; i < out_pixels; ++i) {
      const int64_t o[3] = {i / p.out[2] / p.out[1], i / p.out[2] % p.out[1], i % p.out[2]};
      for (int64_t c = 0; c < p.channels; ++c) {
        const double expected = naive(p, kind, n, o, c);
        const float got = y[n * p.y_batch + i * p.y_pixel + c];
        if (std::isnan(expected) || std::isinf(expected)) {
          ASSERT_EQ(std::isnan(got), std::isnan(expected)) << problem.name << " " << isa_name(isa);
          if (!std::isnan(expected)) {
            ASSERT_EQ(got, expected) << problem.name;
          }
        } else {
          ASSERT_NEAR(got, expected, 1e-6)
              << problem.name << " " << isa_name(isa) << " kind " << static_cast<int>(kind)
              << " pixel " << i << " channel " << c;
        }
      }
      for (int64_t c = p.channels; c < p.y_pixel && n * p.y_batch + i * p.y_pixel + c < y.size();
           ++c) {
        ASSERT_EQ(y[n * p.y_batch + i * p.y_pixel + c], -77.0f) << problem.name;
      }
    }
  }
}

const Problem kProblems[] = {
    {"2x2", 2, 35, {1, 8, 10}, {1, 2, 2}, {1, 2, 2}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}, false},
    {"3x3 stride 2",
     1,
     64,
     {1, 13, 12},
     {1, 3, 3},
     {1, 2, 2},
     {1, 1, 1},
     {0, 1, 1},
     {0, 1, 1},
     false},
    {"3x3 same", 1, 130, {1, 5, 6}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, false},
    {"ceil", 1, 3, {1, 6, 7}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}, true},
    {"ceil with padding",
     1,
     20,
     {1, 7, 8},
     {1, 3, 2},
     {1, 2, 3},
     {1, 1, 1},
     {0, 1, 0},
     {0, 1, 1},
     true},
    {"dilated", 1, 17, {1, 9, 11}, {1, 3, 2}, {1, 1, 2}, {1, 2, 3}, {0, 2, 1}, {0, 1, 0}, false},
    {"global", 2, 200, {1, 7, 7}, {1, 7, 7}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}, false},
    {"global, large",
     1,
     24,
     {1, 90, 80},
     {1, 90, 80},
     {1, 1, 1},
     {1, 1, 1},
     {0, 0, 0},
     {0, 0, 0},
     false},
    {"one-dimensional",
     1,
     16,
     {1, 1, 40},
     {1, 1, 5},
     {1, 1, 3},
     {1, 1, 1},
     {0, 0, 2},
     {0, 0, 1},
     false},
    {"three-dimensional",
     1,
     9,
     {4, 5, 6},
     {2, 3, 2},
     {2, 1, 2},
     {1, 1, 1},
     {0, 1, 0},
     {1, 1, 0},
     false},
    {"five by five, spp",
     1,
     256,
     {1, 20, 20},
     {1, 5, 5},
     {1, 1, 1},
     {1, 1, 1},
     {0, 2, 2},
     {0, 2, 2},
     false},
    {"window outside x",
     1,
     6,
     {1, 2, 2},
     {1, 1, 1},
     {1, 1, 1},
     {1, 1, 1},
     {0, 1, 1},
     {0, 1, 1},
     false},
};

TEST(Pool, MatchesNaive) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (const Isa isa : supported_isas()) {
      for (const Problem& p : kProblems) {
        for (const Kind kind : {Kind::max, Kind::average, Kind::average_with_pad}) {
          check(p, kind, isa, pool, 0, false);
          check(p, kind, isa, pool, 3, true);
        }
      }
    }
  }
}

}  // namespace
}  // namespace planish::cpu
