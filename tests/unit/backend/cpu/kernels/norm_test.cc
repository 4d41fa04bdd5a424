// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/norm.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "planish/error.h"
#include "unit/backend/cpu/kernels/kernel_support.h"

namespace planish::cpu {
namespace {

using testing::Guarded;
using testing::isas_here;
using testing::Random;

struct Moments {
  double mean = 0;
  double variance = 0;
};

Moments moments(const std::vector<double>& v) {
  Moments m;
  for (double x : v) m.mean += x / static_cast<double>(v.size());
  for (double x : v) m.variance += (x - m.mean) * (x - m.mean) / static_cast<double>(v.size());
  return m;
}

void fill(Guarded<float>& data, uint64_t seed, float shift = 0) {
  Random random(seed);
  for (float& x : data) x = random.real(-2, 2) + shift;
}

struct RowCase {
  int64_t rows, cols;
  bool rms, scale, bias, skip, skip_bias, sum;
};

void check_rows(Isa isa, const RowCase& test, ThreadPool& pool) {
  const int64_t n = test.rows * test.cols;
  Guarded<float> x(n), y(n), skip(n), sum(n), scale(test.cols), bias(test.cols),
      skip_bias(test.cols), mean(test.rows), inverse(test.rows);
  fill(x, 1, 5.0f);
  fill(skip, 2);
  fill(scale, 3);
  fill(bias, 4);
  fill(skip_bias, 5);
  RowNormParams params;
  params.x = x.data();
  params.y = y.data();
  params.rows = test.rows;
  params.cols = test.cols;
  params.scale = test.scale ? scale.data() : nullptr;
  params.bias = test.bias ? bias.data() : nullptr;
  params.skip = test.skip ? skip.data() : nullptr;
  params.skip_bias = test.skip_bias ? skip_bias.data() : nullptr;
  params.sum = test.sum ? sum.data() : nullptr;
  params.mean = mean.data();
  params.inverse_deviation = inverse.data();
  params.rms = test.rms;
  params.isa = isa;
  run_row_norm(params, pool);
  for (int64_t r = 0; r < test.rows; ++r) {
    std::vector<double> v(test.cols);
    double square = 0;
    for (int64_t c = 0; c < test.cols; ++c) {
      v[c] = x[r * test.cols + c];
      if (test.skip) v[c] += skip[r * test.cols + c];
      if (test.skip_bias) v[c] += skip_bias[c];
      square += v[c] * v[c] / static_cast<double>(test.cols);
      if (test.sum) {
        ASSERT_NEAR(sum[r * test.cols + c], v[c], 1e-5);
      }
    }
    Moments m = moments(v);
    if (test.rms) m = {0, square};
    const double factor = 1 / std::sqrt(m.variance + 1e-5);
    ASSERT_NEAR(mean[r], m.mean, 1e-5);
    ASSERT_NEAR(inverse[r], factor, 2e-5 * factor);
    for (int64_t c = 0; c < test.cols; ++c) {
      double want = (v[c] - m.mean) * factor;
      if (test.scale) want *= scale[c];
      if (test.bias) want += bias[c];
      ASSERT_NEAR(y[r * test.cols + c], want, 4e-5 * std::max(1.0, std::fabs(factor) / 10))
          << isa_name(isa) << " " << test.rows << "x" << test.cols;
    }
  }
}

TEST(RowNorm, AgainstDoubles) {
  for (Isa isa : isas_here()) {
    ThreadPool pool(2);
    for (int64_t cols : {1, 3, 15, 16, 17, 64, 200, 768, 1021}) {
      for (bool rms : {false, true}) {
        check_rows(isa, {7, cols, rms, true, true, false, false, false}, pool);
        check_rows(isa, {7, cols, rms, true, false, true, false, true}, pool);
        check_rows(isa, {3, cols, rms, false, true, true, true, true}, pool);
        check_rows(isa, {3, cols, rms, false, false, false, true, false}, pool);
        check_rows(isa, {2, cols, rms, true, true, false, false, true}, pool);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(RowNorm, InPlaceAndRepeatedSkip) {
  ThreadPool pool(1);
  Guarded<float> x(6 * 32), want(6 * 32), skip(2 * 32), wide(6 * 32);
  fill(x, 1);
  fill(skip, 2);
  for (int64_t i = 0; i < 6 * 32; ++i) wide[i] = skip[i % 64];
  RowNormParams params;
  params.x = x.data();
  params.y = want.data();
  params.rows = 6;
  params.cols = 32;
  params.skip = wide.data();
  run_row_norm(params, pool);
  params.skip = skip.data();
  params.skip_rows = 2;
  params.y = x.data();
  run_row_norm(params, pool);
  for (int64_t i = 0; i < 6 * 32; ++i) ASSERT_EQ(x[i], want[i]);
}

TEST(GroupNorm, AgainstDoublesInBothLayouts) {
  for (Isa isa : isas_here()) {
    ThreadPool pool(2);
    for (const auto& [batch, groups, width, spatial] : {std::array<int64_t, 4>{1, 1, 1, 1},
                                                        {2, 4, 3, 49},
                                                        {3, 32, 1, 100},
                                                        {1, 8, 16, 257},
                                                        {2, 2, 5, 1},
                                                        {1, 3, 70, 20}}) {
      for (bool last : {false, true}) {
        const int64_t channels = groups * width;
        const int64_t n = batch * channels * spatial;
        Guarded<float> x(n), y(n), scale(channels), bias(channels);
        fill(x, 7, 3.0f);
        fill(scale, 8);
        fill(bias, 9);
        run_group_norm({.x = x.data(),
                        .y = y.data(),
                        .batch = batch,
                        .groups = groups,
                        .group_channels = width,
                        .spatial = spatial,
                        .scale = scale.data(),
                        .bias = bias.data(),
                        .channels_last = last,
                        .isa = isa},
                       pool);
        const auto at = [&](int64_t b, int64_t c, int64_t s) {
          return last ? (b * spatial + s) * channels + c : (b * channels + c) * spatial + s;
        };
        for (int64_t b = 0; b < batch; ++b) {
          for (int64_t g = 0; g < groups; ++g) {
            std::vector<double> v;
            for (int64_t c = g * width; c < (g + 1) * width; ++c) {
              for (int64_t s = 0; s < spatial; ++s) v.push_back(x[at(b, c, s)]);
            }
            const Moments m = moments(v);
            const double factor = 1 / std::sqrt(m.variance + 1e-5);
            for (int64_t c = g * width; c < (g + 1) * width; ++c) {
              for (int64_t s = 0; s < spatial; ++s) {
                const double want = (x[at(b, c, s)] - m.mean) * factor * scale[c] + bias[c];
                ASSERT_NEAR(y[at(b, c, s)], want, 4e-6 * std::max(10.0, factor))
                    << isa_name(isa) << (last ? " last " : " first ") << groups << "x" << width;
              }
            }
          }
        }
      }
    }
  }
}

TEST(GroupNorm, RefusesGroupsTooWideForItsMemory) {
  ThreadPool pool(1);
  std::vector<float> x(kMaxGroupChannelsLast + 1);
  GroupNormParams params;
  params.x = x.data();
  params.y = x.data();
  params.group_channels = kMaxGroupChannelsLast + 1;
  params.channels_last = true;
  EXPECT_THROW(run_group_norm(params, pool), Error);
}

}  // namespace
}  // namespace planish::cpu
