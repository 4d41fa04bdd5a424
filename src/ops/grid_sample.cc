// SPDX-License-Identifier: Apache-2.0
// GridSample: samples an image of any rank at the normalised positions of a grid.
// https://onnx.ai/onnx/operators/onnx__GridSample.html
#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <string>
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/strides.h"
#include "tensor/elements.h"

namespace planish {
namespace {

enum class SampleMode : uint8_t { kNearest, kLinear, kCubic };
enum class SamplePadding : uint8_t { kZeros, kBorder, kReflection };

struct SampleOptions {
  SampleMode mode = SampleMode::kLinear;
  SamplePadding padding = SamplePadding::kZeros;
  bool align_corners = false;
};

template <class Context>
SampleOptions sample_options(const Context& c) {
  SampleOptions o;
  const std::string mode = c.attributes().text("mode", "linear");
  const std::string padding = c.attributes().text("padding_mode", "zeros");
  if (mode == "nearest")
    o.mode = SampleMode::kNearest;
  else if (mode == "cubic" || mode == "bicubic")
    o.mode = SampleMode::kCubic;
  else if (mode != "linear" && mode != "bilinear")
    c.fail(concat("mode: expected linear, nearest or cubic, got \"", mode, "\""),
           ErrorCode::kInvalidModel);
  if (padding == "border")
    o.padding = SamplePadding::kBorder;
  else if (padding == "reflection")
    o.padding = SamplePadding::kReflection;
  else if (padding != "zeros")
    c.fail(concat("padding_mode: expected zeros, border or reflection, got \"", padding, "\""),
           ErrorCode::kInvalidModel);
  o.align_corners = c.attributes().integer("align_corners", 0) != 0;
  return o;
}

void infer_grid_sample(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_float(c, 1);
  const SampleOptions o = sample_options(c);
  if (dtype == DType::kString && o.mode != SampleMode::kNearest)
    c.fail("strings are sampled in mode nearest only", ErrorCode::kInvalidType);
  check_min_rank(c, 0, 3);
  if (!c.has_rank(0)) return c.set_output(0, Type::tensor(dtype));
  const Shape& x = c.shape(0);
  check_rank(c, 1, static_cast<int>(x.size()));
  Shape out{x[0], x[1]};
  for (size_t i = 2; i < x.size(); ++i)
    out.push_back(c.has_rank(1) ? c.shape(1)[i - 1] : c.fresh_dim());
  check_dim(c, 1, 0, x[0]);
  check_dim(c, 1, c.rank(0) - 1, Dim(c.rank(0) - 2));
  c.set_output(0, Type::tensor(dtype, std::move(out)));
}

// Mirrors x at the borders until it lies between them.
double reflect(double x, double least, double most) {
  const double range = most - least;
  if (range <= 0 || !std::isfinite(x)) return least;
  const double distance = x < least ? least - x : x > most ? x - most : 0;
  if (distance == 0) return x;
  const double times = std::floor(distance / range), rest = distance - times * range;
  const bool is_even = std::fmod(times, 2) == 0;
  return (x < least) == is_even ? least + rest : most - rest;
}

// The positions along one axis that a sample reads, with weights; -1: outside, reads zero.
struct AxisTaps {
  int count = 1;
  std::array<int64_t, 4> index{};
  std::array<double, 4> weight{1, 0, 0, 0};
};

class AxisSampler {
 public:
  AxisSampler(const SampleOptions& o, int64_t size) : o_(o), size_(size) {
    least_ = o.align_corners ? 0 : -0.5;
    most_ = static_cast<double>(size) - (o.align_corners ? 1 : 0.5);
  }

  AxisTaps taps(double normalized) const {
    const auto size = static_cast<double>(size_);
    double x =
        o_.align_corners ? (normalized + 1) / 2 * (size - 1) : ((normalized + 1) * size - 1) / 2;
    if (o_.mode == SampleMode::kNearest) x = std::nearbyint(x);
    if (x < least_ || x > most_) {
      // A cubic kernel reads the border's pixels itself; only far away must it be brought near.
      const double reach = o_.mode == SampleMode::kCubic ? 3 : 0;
      if (o_.padding == SamplePadding::kBorder) x = std::clamp(x, -reach, size - 1 + reach);
      if (o_.padding == SamplePadding::kReflection) x = reflect(x, least_, most_);
    }
    AxisTaps out;
    // Far outside, and NaN: nothing to read.
    if (!(x > -4 && x < size + 4)) {
      out.index[0] = o_.padding == SamplePadding::kZeros ? -1 : 0;
      return out;
    }
    const auto low = static_cast<int64_t>(std::floor(x));
    const double f = x - static_cast<double>(low);
    if (o_.mode == SampleMode::kNearest) {
      out.index[0] = inside(low);
    } else if (o_.mode == SampleMode::kLinear) {
      out.count = 2;
      out.index = {inside(low), inside(low + 1)};
      out.weight = {1 - f, f};
    } else {
      out.count = 4;
      for (int64_t k = 0; k < 4; ++k) {
        out.index[static_cast<size_t>(k)] = inside(low - 1 + k);
        out.weight[static_cast<size_t>(k)] = cubic(f - static_cast<double>(k - 1));
      }
    }
    return out;
  }

 private:
  int64_t inside(int64_t i) const {
    if (i >= 0 && i < size_) return i;
    if (o_.padding == SamplePadding::kZeros) return -1;
    if (o_.padding == SamplePadding::kBorder) return std::clamp<int64_t>(i, 0, size_ - 1);
    const auto at = static_cast<int64_t>(reflect(static_cast<double>(i), least_, most_));
    return std::clamp<int64_t>(at, 0, size_ - 1);
  }
  static double cubic(double distance) {
    constexpr double a = -0.75;
    const double x = std::fabs(distance);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  }

  SampleOptions o_;
  int64_t size_;
  double least_, most_;
};

// Calls f(spatial index, weight) for every tap of all axes that lies inside.
template <class F>
void for_each_tap(const std::vector<AxisTaps>& axes, const Dims& spatial, size_t axis,
                  int64_t index, double weight, F&& f) {
  if (axis == axes.size()) return f(index, weight);
  const AxisTaps& taps = axes[axis];
  for (int k = 0; k < taps.count; ++k) {
    const int64_t at = taps.index[static_cast<size_t>(k)];
    if (at >= 0)
      for_each_tap(axes, spatial, axis + 1, index * spatial[axis] + at,
                   weight * taps.weight[static_cast<size_t>(k)], f);
  }
}

struct GridPlan {
  Dims spatial;
  int64_t batch, channels, inputs, outputs;
  std::vector<AxisSampler> samplers;
};

// f(n, output index, taps of all axes) for every position of the grid.
template <class F>
void for_each_sample(KernelContext& c, const GridPlan& plan, F&& f) {
  const size_t axes = plan.spatial.size();
  const std::vector<double> grid = load<double>(c.input(1));
  std::vector<AxisTaps> taps(axes);
  for (int64_t n = 0; n < plan.batch; ++n)
    for (int64_t out = 0; out < plan.outputs; ++out) {
      const double* at = grid.data() + (n * plan.outputs + out) * static_cast<int64_t>(axes);
      // The grid lists the innermost axis first.
      for (size_t a = 0; a < axes; ++a) taps[a] = plan.samplers[a].taps(at[axes - 1 - a]);
      f(n, out, taps);
    }
}

template <class T>
void sample_blended(KernelContext& c, const GridPlan& plan) {
  const std::vector<T> x = load<T>(c.input(0));
  std::vector<T> y(static_cast<size_t>(c.output(0).count()));
  for_each_sample(c, plan, [&](int64_t n, int64_t out, const std::vector<AxisTaps>& taps) {
    for (int64_t ch = 0; ch < plan.channels; ++ch) {
      const T* image = x.data() + (n * plan.channels + ch) * plan.inputs;
      T sum{};
      for_each_tap(taps, plan.spatial, 0, 0, 1, [&](int64_t i, double weight) {
        if (weight != 0) sum += image[i] * weight;
      });
      y[static_cast<size_t>((n * plan.channels + ch) * plan.outputs + out)] = sum;
    }
  });
  // Integers are truncated.
  store(c.output(0), y);
}

// Moves elements, of any type.
void sample_nearest_grid(KernelContext& c, const GridPlan& plan) {
  const Tensor x = spread(c.input(0));
  fill_spread(c.output(0), [&](Tensor& whole) {
    for_each_sample(c, plan, [&](int64_t n, int64_t out, const std::vector<AxisTaps>& taps) {
      int64_t from = -1;
      for_each_tap(taps, plan.spatial, 0, 0, 1, [&](int64_t i, double) { from = i; });
      for (int64_t ch = 0; ch < plan.channels; ++ch) {
        const int64_t image = n * plan.channels + ch, to = image * plan.outputs + out;
        if (from < 0)
          fill_zero(whole, to, 1);
        else
          copy_run(whole, to, x, image * plan.inputs + from, 1);
      }
    });
  });
}

void run_grid_sample(KernelContext& c) {
  const SampleOptions o = sample_options(c);
  const Dims &x = c.input(0).dims(), &y = c.output(0).dims();
  if (c.output(0).count() == 0) return;
  GridPlan plan{.spatial = Dims(x.begin() + 2, x.end()), .batch = x[0], .channels = x[1]};
  plan.inputs = element_count(plan.spatial);
  plan.outputs = element_count(std::span(y).subspan(2));
  if (plan.inputs == 0) c.fail("an empty image cannot be sampled");
  for (int64_t size : plan.spatial) plan.samplers.emplace_back(o, size);
  if (o.mode == SampleMode::kNearest)
    sample_nearest_grid(c, plan);
  else if (is_complex(c.input(0).dtype()))
    sample_blended<std::complex<double>>(c, plan);
  else
    sample_blended<double>(c, plan);
}

const RegisterOp kGridSample({.name = "GridSample",
                              .attributes = {optional("align_corners", AttrKind::kInt),
                                             optional("mode", AttrKind::kString),
                                             optional("padding_mode", AttrKind::kString)},
                              .inputs = {2, 2},
                              .outputs = {1, 1},
                              .infer = infer_grid_sample,
                              .run = run_grid_sample,
                              .tolerance = {1e-4},
                              .source = "https://onnx.ai/onnx/operators/onnx__GridSample.html"});

}  // namespace
}  // namespace planish
