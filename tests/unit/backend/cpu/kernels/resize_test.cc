// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/resize.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "planish/error.h"
#include "unit/backend/cpu/kernels/kernel_support.h"

namespace planish::cpu {
namespace {

using testing::Guarded;
using testing::isas_here;
using testing::Random;

struct Case {
  int64_t in_rows, in_cols, out_rows, out_cols, channels;
  double beyond = 0;  // how much wider than the output the scales make it
};

// ONNX's formulas, written down once more.
double where(ResizeCoordinates coordinates, double x, double in, double out, double scale) {
  switch (coordinates) {
    case ResizeCoordinates::kHalfPixel: return (x + 0.5) / scale - 0.5;
    case ResizeCoordinates::kHalfPixelSymmetric:
      return in / 2 * (1 - out / (scale * in)) + (x + 0.5) / scale - 0.5;
    case ResizeCoordinates::kPytorchHalfPixel: return out > 1 ? (x + 0.5) / scale - 0.5 : 0;
    case ResizeCoordinates::kAlignCorners:
      return scale * in == 1 ? 0 : x * (in - 1) / (scale * in - 1);
    case ResizeCoordinates::kAsymmetric: return x / scale;
  }
  return 0;
}

double nearest(ResizeRounding rounding, double x) {
  switch (rounding) {
    case ResizeRounding::kFloor: return std::floor(x);
    case ResizeRounding::kCeil: return std::ceil(x);
    case ResizeRounding::kRoundPreferFloor: return std::ceil(x - 0.5);
    case ResizeRounding::kRoundPreferCeil: return std::floor(x + 0.5);
  }
  return 0;
}

void check(Isa isa, const Case& test, ResizeMode mode, ResizeCoordinates coordinates,
           ResizeRounding rounding, bool last, ThreadPool& pool) {
  const int64_t batch = 2;
  const ResizeAxis rows{
      test.in_rows, test.out_rows,
      (static_cast<double>(test.out_rows) + test.beyond) / static_cast<double>(test.in_rows)};
  const ResizeAxis cols{
      test.in_cols, test.out_cols,
      (static_cast<double>(test.out_cols) + test.beyond) / static_cast<double>(test.in_cols)};
  const ResizePlan plan(rows, cols, mode, coordinates, rounding);
  Guarded<float> src(batch * test.channels * rows.in * cols.in);
  Guarded<float> dst(batch * test.channels * rows.out * cols.out);
  Random random(41);
  for (float& x : src) x = random.real();
  run_resize({&plan, src.data(), dst.data(), batch, test.channels, last, isa}, pool);
  const auto at = [&](int64_t b, int64_t c, double y, double x) {
    const auto row = static_cast<int64_t>(std::clamp(y, 0.0, static_cast<double>(rows.in - 1)));
    const auto col = static_cast<int64_t>(std::clamp(x, 0.0, static_cast<double>(cols.in - 1)));
    return static_cast<double>(
        last ? src[((b * rows.in + row) * cols.in + col) * test.channels + c]
             : src[((b * test.channels + c) * rows.in + row) * cols.in + col]);
  };
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t c = 0; c < test.channels; ++c) {
      for (int64_t y = 0; y < rows.out; ++y) {
        for (int64_t x = 0; x < cols.out; ++x) {
          const double sy = where(coordinates, static_cast<double>(y), static_cast<double>(rows.in),
                                  static_cast<double>(rows.out), rows.scale);
          const double sx = where(coordinates, static_cast<double>(x), static_cast<double>(cols.in),
                                  static_cast<double>(cols.out), cols.scale);
          double want = 0;
          if (mode == ResizeMode::kNearest) {
            want = at(b, c, nearest(rounding, sy), nearest(rounding, sx));
          } else {
            const double y0 = std::floor(sy), x0 = std::floor(sx);
            const double wy = sy - y0, wx = sx - x0;
            want = (at(b, c, y0, x0) * (1 - wx) + at(b, c, y0, x0 + 1) * wx) * (1 - wy) +
                   (at(b, c, y0 + 1, x0) * (1 - wx) + at(b, c, y0 + 1, x0 + 1) * wx) * wy;
          }
          const float got = last ? dst[((b * rows.out + y) * cols.out + x) * test.channels + c]
                                 : dst[((b * test.channels + c) * rows.out + y) * cols.out + x];
          ASSERT_NEAR(got, want, 2e-6) << isa_name(isa) << " " << static_cast<int>(mode) << " "
                                       << static_cast<int>(coordinates) << " at " << y << "," << x;
        }
      }
    }
  }
}

TEST(Resize, EveryModeAgainstTheFormulas) {
  const Case cases[] = {{4, 5, 8, 10, 3},      {7, 9, 3, 4, 17},     {1, 1, 5, 3, 2},
                        {6, 33, 6, 99, 1},     {13, 8, 1, 1, 5},     {5, 64, 11, 40, 33},
                        {7, 9, 9, 11, 3, 0.7}, {7, 9, 4, 5, 17, 0.4}};
  for (Isa isa : isas_here()) {
    ThreadPool pool(2);
    for (const Case& test : cases) {
      for (int c = 0; c < 5; ++c) {
        const auto coordinates = static_cast<ResizeCoordinates>(c);
        for (bool last : {false, true}) {
          check(isa, test, ResizeMode::kLinear, coordinates, ResizeRounding::kFloor, last, pool);
          for (int r = 0; r < 4; ++r) {
            check(isa, test, ResizeMode::kNearest, coordinates, static_cast<ResizeRounding>(r),
                  last, pool);
          }
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

// Rows longer than the kernel's buffer are cut into stretches.
TEST(Resize, VeryWideRows) {
  for (Isa isa : isas_here()) {
    ThreadPool pool(1);
    check(isa, {2, 20000, 3, 7000, 1}, ResizeMode::kLinear, ResizeCoordinates::kHalfPixel,
          ResizeRounding::kFloor, false, pool);
    check(isa, {1, 9000, 1, 2, 1}, ResizeMode::kLinear, ResizeCoordinates::kAlignCorners,
          ResizeRounding::kFloor, false, pool);
  }
}

TEST(Resize, RefusesNonsense) {
  const auto code = [](ResizeAxis axis) {
    try {
      ResizePlan plan(axis, {}, ResizeMode::kLinear, ResizeCoordinates::kHalfPixel);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kOk;
  };
  EXPECT_EQ(code({0, 4, 1}), ErrorCode::kInvalidShape);
  EXPECT_EQ(code({int64_t{1} << 31, 4, 1}), ErrorCode::kInvalidShape);
  EXPECT_EQ(code({4, -1, 1}), ErrorCode::kInvalidShape);
  EXPECT_EQ(code({4, 4, 0}), ErrorCode::kInvalidValue);
  EXPECT_EQ(code({4, 4, NAN}), ErrorCode::kInvalidValue);
  EXPECT_EQ(code({4, 4, HUGE_VAL}), ErrorCode::kInvalidValue);
  EXPECT_EQ(code({4, 0, 0.1}), ErrorCode::kOk);
}

}  // namespace
}  // namespace planish::cpu
