// SPDX-License-Identifier: Apache-2.0
// MaxRoiPool: the largest pixel of each bin of each region.
// https://onnx.ai/onnx/operators/onnx__MaxRoiPool.html
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "tensor/elements.h"

namespace planish {
namespace {

void infer_max_roi_pool(InferContext& c) {
  const DType dtype = check_float(c, 0);
  check_same_dtype_pair(c, 0, 1);
  const std::vector<int64_t>& pooled = c.attributes().integers("pooled_shape");
  if (pooled.size() != 2 || pooled[0] < 1 || pooled[1] < 1 || pooled[0] > INT32_MAX ||
      pooled[1] > INT32_MAX)
    c.fail(concat("pooled_shape: expected two positive sizes, got ", join(pooled)),
           ErrorCode::kInvalidModel);
  check_rank(c, 0, 4);
  check_rank(c, 1, 2);
  check_dim(c, 1, 1, Dim(5));
  c.set_output(0, Type::tensor(dtype, {c.has_rank(1) ? c.shape(1)[0] : c.fresh_dim(),
                                       c.has_rank(0) ? c.shape(0)[1] : c.fresh_dim(),
                                       Dim(pooled[0]), Dim(pooled[1])}));
}

// The pixels [first, last) of bin `index` of `bins` along an axis of `size` pixels.
struct BinRange {
  int64_t first, last;
};
BinRange bin_range(double start, double end, int64_t index, int64_t bins, int64_t size) {
  const double extent = std::max(end - start + 1, 1.0) / static_cast<double>(bins);
  auto pixel = [&](double v) {
    return static_cast<int64_t>(std::clamp(v + start, 0.0, static_cast<double>(size)));
  };
  return {pixel(std::floor(static_cast<double>(index) * extent)),
          pixel(std::ceil(static_cast<double>(index + 1) * extent))};
}

void run_max_roi_pool(KernelContext& c) {
  Tensor& y = c.output(0);
  const Dims& in = c.input(0).dims();
  const double scale = c.attributes().real("spatial_scale", 1);
  const std::vector<double> x = load<double>(c.input(0)), rois = load<double>(c.input(1));
  const int64_t channels = in[1], height = y.dim(2), width = y.dim(3);
  std::vector<double> out;
  out.reserve(static_cast<size_t>(y.count()));
  for (int64_t n = 0; n < y.dim(0); ++n) {
    const double* roi = rois.data() + n * 5;
    if (!(roi[0] >= 0 && roi[0] < static_cast<double>(in[0])))
      c.fail(concat("rois: image ", roi[0], " is outside of ", in[0]));
    double corners[4];
    for (int k = 0; k < 4; ++k) {
      corners[k] = std::round(roi[k + 1] * scale);
      if (!std::isfinite(corners[k]))
        c.fail(concat("rois: expected finite corners, got ", roi[k + 1]));
    }
    const auto image = static_cast<int64_t>(roi[0]);
    for (int64_t ch = 0; ch < channels; ++ch)
      for (int64_t i = 0; i < height; ++i)
        for (int64_t j = 0; j < width; ++j) {
          const BinRange rows = bin_range(corners[1], corners[3], i, height, in[2]);
          const BinRange columns = bin_range(corners[0], corners[2], j, width, in[3]);
          // An empty bin is zero.
          double best = rows.first < rows.last && columns.first < columns.last ? -HUGE_VAL : 0;
          for (int64_t r = rows.first; r < rows.last; ++r)
            for (int64_t s = columns.first; s < columns.last; ++s)
              best = std::max(
                  best, x[static_cast<size_t>(((image * channels + ch) * in[2] + r) * in[3] + s)]);
          out.push_back(best);
        }
  }
  store(y, out);
}

const RegisterOp kMaxRoiPool({.name = "MaxRoiPool",
                              .attributes = {required("pooled_shape", AttrKind::kInts),
                                             optional("spatial_scale", AttrKind::kFloat)},
                              .inputs = {2, 2},
                              .outputs = {1, 1},
                              .infer = infer_max_roi_pool,
                              .run = run_max_roi_pool,
                              .source = "https://onnx.ai/onnx/operators/onnx__MaxRoiPool.html"});

}  // namespace
}  // namespace planish
