// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "planish/error.h"

namespace planish::cpu {

namespace {

constexpr int64_t kTaskElements = 8 * 1024;

void check_axis(const ResizeAxis& axis) {
  if (axis.in < 1 || axis.in > std::numeric_limits<int32_t>::max() || axis.out < 0) {
    throw Error(ErrorCode::kInvalidShape, "resize: an axis of " + std::to_string(axis.in) +
                                              " elements becomes one of " +
                                              std::to_string(axis.out));
  }
  if (!(axis.scale > 0) || !std::isfinite(axis.scale)) {
    throw Error(ErrorCode::kInvalidValue,
                "resize: scale " + std::to_string(axis.scale) + ", expected a positive finite one");
  }
}

double position(const ResizeAxis& axis, ResizeCoordinates coordinates, int64_t index) {
  const auto x = static_cast<double>(index);
  const auto in = static_cast<double>(axis.in);
  const auto out = static_cast<double>(axis.out);
  switch (coordinates) {
    case ResizeCoordinates::kHalfPixel: return (x + 0.5) / axis.scale - 0.5;
    case ResizeCoordinates::kHalfPixelSymmetric: {
      const double adjustment = out / (axis.scale * in);
      return in / 2 * (1 - adjustment) + (x + 0.5) / axis.scale - 0.5;
    }
    case ResizeCoordinates::kPytorchHalfPixel:
      return axis.out > 1 ? (x + 0.5) / axis.scale - 0.5 : 0.0;
    case ResizeCoordinates::kAlignCorners: {
      // The width that the scale asks for, of which `out` is the whole part.
      const double width = axis.scale * in;
      return width == 1 ? 0.0 : x * (in - 1) / (width - 1);
    }
    case ResizeCoordinates::kAsymmetric: return x / axis.scale;
  }
  return x;
}

double rounded(double x, ResizeRounding rounding) {
  switch (rounding) {
    case ResizeRounding::kRoundPreferFloor: return std::ceil(x - 0.5);
    case ResizeRounding::kRoundPreferCeil: return std::floor(x + 0.5);
    case ResizeRounding::kFloor: return std::floor(x);
    case ResizeRounding::kCeil: return std::ceil(x);
  }
  return x;
}

ResizePlan::Taps make_taps(const ResizeAxis& axis, ResizeMode mode, ResizeCoordinates coordinates,
                           ResizeRounding rounding) {
  ResizePlan::Taps taps;
  const auto count = static_cast<size_t>(axis.out);
  taps.first.resize(count);
  taps.second.resize(count);
  taps.weight.resize(count);
  const auto last = static_cast<double>(axis.in - 1);
  for (size_t i = 0; i < count; ++i) {
    double x = position(axis, coordinates, static_cast<int64_t>(i));
    if (mode == ResizeMode::kNearest) x = rounded(x, rounding);
    x = std::clamp(x, 0.0, last);
    const double floor = std::floor(x);
    taps.first[i] = static_cast<int32_t>(floor);
    taps.second[i] = static_cast<int32_t>(std::min(floor + 1, last));
    taps.weight[i] = static_cast<float>(x - floor);
    if (mode == ResizeMode::kNearest) taps.second[i] = taps.first[i];
  }
  return taps;
}

void nearest_plane_row(const ResizeTaps& cols, int64_t out_cols, const float* src, float* dst) {
  const int32_t* index = cols.first;
  for (int64_t x = 0; x < out_cols; ++x) dst[x] = src[index[x]];
}

void nearest_pixel_row(const ResizeTaps& cols, int64_t out_cols, int64_t channels, const float* src,
                       float* dst) {
  const size_t bytes = static_cast<size_t>(channels) * sizeof(float);
  for (int64_t x = 0; x < out_cols; ++x) {
    std::memcpy(dst + x * channels, src + cols.first[x] * channels, bytes);
  }
}

}  // namespace

ResizePlan::ResizePlan(ResizeAxis rows, ResizeAxis cols, ResizeMode mode,
                       ResizeCoordinates coordinates, ResizeRounding rounding)
    : mode_(mode), row_axis_(rows), col_axis_(cols) {
  check_axis(rows);
  check_axis(cols);
  rows_ = make_taps(rows, mode, coordinates, rounding);
  cols_ = make_taps(cols, mode, coordinates, rounding);
}

void run_resize(const ResizeParams& params, ThreadPool& pool) {
  const ResizePlan& plan = *params.plan;
  const int64_t out_rows = plan.row_axis().out;
  const int64_t out_cols = plan.col_axis().out;
  // A plane is all channels together when they are interleaved.
  const int64_t planes = params.channels_last ? params.batch : params.batch * params.channels;
  const int64_t width = params.channels_last ? params.channels : 1;
  const int64_t units = planes * out_rows;
  const int64_t elements = units * out_cols * width;
  if (elements <= 0) return;
  const int64_t tasks = std::clamp<int64_t>(elements / kTaskElements, 1,
                                            std::min<int64_t>(units, 4 * pool.threads()));
  const int64_t in_row = plan.col_axis().in * width;
  const int64_t in_plane = plan.row_axis().in * in_row;
  const int64_t out_row = out_cols * width;
  const ResizeTable& table = resize_table(params.isa);
  const ResizeTaps cols = {plan.cols().first.data(), plan.cols().second.data(),
                           plan.cols().weight.data()};
  const bool nearest = plan.mode() == ResizeMode::kNearest;
  pool.parallel_for(tasks, [&](int64_t task) {
    const int64_t first = units * task / tasks;
    for (int64_t unit = first; unit < units * (task + 1) / tasks; ++unit) {
      const int64_t y = unit % out_rows;
      const float* plane = params.src + unit / out_rows * in_plane;
      const float* top = plane + plan.rows().first[y] * in_row;
      const float* bottom = plane + plan.rows().second[y] * in_row;
      float* dst = params.dst + unit * out_row;
      if (!nearest) {
        const float weight = plan.rows().weight[y];
        if (params.channels_last) {
          table.pixel_row(cols, out_cols, width, top, bottom, weight, dst);
        } else {
          table.plane_row(cols, out_cols, top, bottom, weight, dst);
        }
      } else if (y > 0 && unit > first && plan.rows().first[y] == plan.rows().first[y - 1]) {
        std::memcpy(dst, dst - out_row, static_cast<size_t>(out_row) * sizeof(float));
      } else if (params.channels_last) {
        nearest_pixel_row(cols, out_cols, width, top, dst);
      } else {
        nearest_plane_row(cols, out_cols, top, dst);
      }
    }
  });
}

}  // namespace planish::cpu
