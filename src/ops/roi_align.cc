// SPDX-License-Identifier: Apache-2.0
// RoiAlign: pools regions of images at points between pixels.
// https://onnx.ai/onnx/operators/onnx__RoiAlign.html
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "tensor/elements.h"

namespace planish {
namespace {

template <class Context>
bool takes_max(const Context& c) {
  const std::string mode = c.attributes().text("mode", "avg");
  if (mode != "avg" && mode != "max")
    c.fail(concat("mode: expected avg or max, got \"", mode, "\""), ErrorCode::kInvalidModel);
  return mode == "max";
}

template <class Context>
bool shifts_half_pixel(const Context& c) {
  const std::string mode = c.attributes().text("coordinate_transformation_mode", "half_pixel");
  if (mode != "half_pixel" && mode != "output_half_pixel")
    c.fail(
        concat("coordinate_transformation_mode: expected half_pixel or output_half_pixel, got \"",
               mode, "\""),
        ErrorCode::kInvalidModel);
  return mode == "half_pixel";
}

void infer_roi_align(InferContext& c) {
  const DType dtype = check_float(c, 0);
  check_same_dtype_pair(c, 0, 1);
  check_tensor(c, 2, is_i64, "int64");
  takes_max(c);
  shifts_half_pixel(c);
  const int64_t height = c.attributes().integer("output_height", 1),
                width = c.attributes().integer("output_width", 1);
  const int64_t sampling = c.attributes().integer("sampling_ratio", 0);
  if (height < 1 || width < 1 || height > INT32_MAX || width > INT32_MAX)
    c.fail(concat("expected an output of at least 1x1, got ", height, "x", width),
           ErrorCode::kInvalidModel);
  if (sampling < 0 || sampling > 1 << 16)
    c.fail(concat("sampling_ratio: expected 0 to 65536, got ", sampling), ErrorCode::kInvalidModel);
  check_rank(c, 0, 4);
  check_rank(c, 1, 2);
  check_rank(c, 2, 1);
  check_dim(c, 1, 1, Dim(4));
  Dim regions = c.has_rank(1) ? c.shape(1)[0] : c.has_rank(2) ? c.shape(2)[0] : c.fresh_dim();
  if (c.has_rank(2)) regions = check_equal(c, regions, c.shape(2)[0], "rois and batch_indices");
  c.set_output(0, Type::tensor(dtype, {regions, c.has_rank(0) ? c.shape(0)[1] : c.fresh_dim(),
                                       Dim(height), Dim(width)}));
}

// A point between four pixels.
struct Corners {
  std::array<int64_t, 4> index{};
  std::array<double, 4> weight{};  // zeros: the point lies outside
};

Corners corners_of(double y, double x, int64_t height, int64_t width) {
  Corners out;
  if (!(y >= -1 && y <= static_cast<double>(height) && x >= -1 && x <= static_cast<double>(width)))
    return out;
  auto low_of = [](double& v, int64_t size, int64_t& high) {
    v = std::max(v, 0.0);
    auto low = static_cast<int64_t>(v);
    if (low >= size - 1) {
      low = size - 1;
      v = static_cast<double>(low);
    }
    high = std::min(low + 1, size - 1);
    return low;
  };
  int64_t y_high = 0, x_high = 0;
  const int64_t y_low = low_of(y, height, y_high), x_low = low_of(x, width, x_high);
  const double fy = y - static_cast<double>(y_low), fx = x - static_cast<double>(x_low);
  out.index = {y_low * width + x_low, y_low * width + x_high, y_high * width + x_low,
               y_high * width + x_high};
  out.weight = {(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx};
  return out;
}

struct Region {
  double y, x, bin_height, bin_width;
  int64_t rows, columns;  // of points in a bin
};

Region region_of(KernelContext& c, const double* roi, int64_t height, int64_t width,
                 bool is_shifted) {
  const double scale = c.attributes().real("spatial_scale", 1), shift = is_shifted ? 0.5 : 0;
  double extent_x = (roi[2] - roi[0]) * scale, extent_y = (roi[3] - roi[1]) * scale;
  if (!is_shifted) {
    extent_x = std::max(extent_x, 1.0);
    extent_y = std::max(extent_y, 1.0);
  }
  Region r{.y = roi[1] * scale - shift,
           .x = roi[0] * scale - shift,
           .bin_height = extent_y / static_cast<double>(height),
           .bin_width = extent_x / static_cast<double>(width)};
  const int64_t sampling = c.attributes().integer("sampling_ratio", 0);
  auto points = [&](double bin) -> int64_t {
    if (sampling > 0) return sampling;
    const double n = std::ceil(bin);
    if (n > 0x1p24)
      c.fail(concat("a region of interest has bins of ", n, " pixels"), ErrorCode::kBudgetExceeded);
    return n > 0 ? static_cast<int64_t>(n) : 0;
  };
  r.rows = points(r.bin_height);
  r.columns = points(r.bin_width);
  return r;
}

std::vector<Corners> bin_points(const Region& r, int64_t bin_y, int64_t bin_x, int64_t height,
                                int64_t width) {
  std::vector<Corners> out;
  for (int64_t i = 0; i < r.rows; ++i)
    for (int64_t j = 0; j < r.columns; ++j) {
      const double y = r.y + static_cast<double>(bin_y) * r.bin_height +
                       (static_cast<double>(i) + 0.5) * r.bin_height / static_cast<double>(r.rows);
      const double x =
          r.x + static_cast<double>(bin_x) * r.bin_width +
          (static_cast<double>(j) + 0.5) * r.bin_width / static_cast<double>(r.columns);
      out.push_back(corners_of(y, x, height, width));
    }
  return out;
}

double pool_points(const std::vector<Corners>& points, const double* image, bool is_max) {
  if (points.empty()) return 0;
  double sum = 0, best = -HUGE_VAL;
  for (const Corners& p : points)
    for (size_t k = 0; k < 4; ++k) {
      const double v = p.weight[k] * image[p.index[k]];
      sum += v;
      best = std::max(best, v);
    }
  // ONNX's maximum is over the weighted corners, not over the points.
  return is_max ? best : sum / static_cast<double>(points.size());
}

void run_roi_align(KernelContext& c) {
  Tensor& y = c.output(0);
  const Dims& in = c.input(0).dims();
  if (y.count() == 0) return;
  if (in[2] == 0 || in[3] == 0) c.fail("an empty image has no regions");
  const bool is_max = takes_max(c), is_shifted = shifts_half_pixel(c);
  const std::vector<double> x = load<double>(c.input(0)), rois = load<double>(c.input(1));
  const std::vector<int64_t> batches = load<int64_t>(c.input(2));
  const int64_t channels = in[1], height = y.dim(2), width = y.dim(3), space = in[2] * in[3];
  std::vector<double> out(static_cast<size_t>(y.count()));
  for (size_t n = 0; n < batches.size(); ++n) {
    if (batches[n] < 0 || batches[n] >= in[0])
      c.fail(concat("batch_indices: ", batches[n], " is outside of ", in[0], " images"));
    const Region r = region_of(c, rois.data() + n * 4, height, width, is_shifted);
    const auto work = static_cast<double>(r.rows) * static_cast<double>(r.columns) *
                      static_cast<double>(height * width);
    c.budget().spend_work(work < 0x1p62 ? static_cast<int64_t>(work) : -1, c.node());
    for (int64_t i = 0; i < height; ++i)
      for (int64_t j = 0; j < width; ++j) {
        const std::vector<Corners> points = bin_points(r, i, j, in[2], in[3]);
        for (int64_t ch = 0; ch < channels; ++ch)
          out[static_cast<size_t>(((static_cast<int64_t>(n) * channels + ch) * height + i) * width +
                                  j)] =
              pool_points(points, x.data() + (batches[n] * channels + ch) * space, is_max);
      }
  }
  store(y, out);
}

const RegisterOp kRoiAlign(
    {.name = "RoiAlign",
     .attributes = {optional("coordinate_transformation_mode", AttrKind::kString),
                    optional("mode", AttrKind::kString), optional("output_height", AttrKind::kInt),
                    optional("output_width", AttrKind::kInt),
                    optional("sampling_ratio", AttrKind::kInt),
                    optional("spatial_scale", AttrKind::kFloat)},
     .inputs = {3, 3},
     .outputs = {1, 1},
     .infer = infer_roi_align,
     .run = run_roi_align,
     .tolerance = {1e-4},
     .source = "https://onnx.ai/onnx/operators/onnx__RoiAlign.html"});

}  // namespace
}  // namespace planish
