// SPDX-License-Identifier: Apache-2.0
// AffineGrid: the positions, in -1 .. 1, that each pixel of an output image has under an affine
// transform. For GridSample.
#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_affine_grid(InferContext& c) {
  const DType dtype = check_tensor(c, 0, is_float, "floats");
  check_tensor(c, 1, is_i64, "int64");
  check_rank(c, 0, 3);
  check_rank(c, 1, 1);
  const auto length = known_length(c, 1);
  if (length && *length != 4 && *length != 5)
    c.fail(concat("size: expected N, C, H, W or N, C, D, H, W, got ", *length, " numbers"));
  if (!length) return set_tensor(c, 0, dtype, std::nullopt);
  const int64_t axes = *length - 2;
  const auto size = c.contents(1);
  Shape out;
  for (int64_t i = 0; i < *length; ++i) {
    if (i == 1) continue;
    const auto dim = size ? (*size)[static_cast<size_t>(i)] : std::nullopt;
    if (dim) check_size(c, *dim, concat("size ", i));
    out.push_back(dim && dim->range().min >= 0 ? *dim : c.fresh_dim());
  }
  if (c.has_rank(0)) {
    out[0] = check_equal(c, c.shape(0)[0], out[0], "batch of theta and size");
    check_equal(c, c.shape(0)[1], axes, "rows of theta");
    check_equal(c, c.shape(0)[2], axes + 1, "columns of theta");
  }
  out.push_back(axes);
  set_tensor(c, 0, dtype, std::move(out));
}

// Position of pixel `i` of `size`.
double pixel_position(int64_t i, int64_t size, bool align_corners) {
  if (!align_corners) return (2 * static_cast<double>(i) + 1) / static_cast<double>(size) - 1;
  return size == 1 ? -1.0 : 2 * static_cast<double>(i) / static_cast<double>(size - 1) - 1;
}

void run_affine_grid(KernelContext& c) {
  const std::vector<double> theta = load<double>(c.input(0));
  const bool align = flag(c.attributes(), "align_corners", false);
  Tensor& out = c.output(0);
  const auto axes = static_cast<size_t>(out.dims().back());
  c.require(theta.size() == static_cast<size_t>(out.dim(0)) * axes * (axes + 1),
            "theta is not one affine matrix for each sample");
  const Dims pixels(out.dims().begin(), out.dims().end() - 1);
  std::vector<double> grid, point(axes + 1, 1.0);
  grid.reserve(static_cast<size_t>(out.count()));
  for (Walk walk(pixels, {}); !walk.done(); walk.next()) {
    // x is the last axis, and the first coordinate.
    for (size_t k = 0; k < axes; ++k)
      point[k] = pixel_position(walk.index()[axes - k], pixels[axes - k], align);
    const double* matrix = theta.data() + static_cast<size_t>(walk.index()[0]) * axes * (axes + 1);
    for (size_t row = 0; row < axes; ++row) {
      double sum = 0;
      for (size_t k = 0; k <= axes; ++k) sum += matrix[row * (axes + 1) + k] * point[k];
      grid.push_back(sum);
    }
  }
  store(out, grid);
}

const RegisterOp kAffineGrid({.name = "AffineGrid",
                              .attributes = {optional("align_corners", AttrKind::kInt)},
                              .inputs = {2, 2},
                              .infer = infer_affine_grid,
                              .run = run_affine_grid,
                              .tolerance = {1e-5},
                              .source = "https://onnx.ai/onnx/operators/onnx__AffineGrid.html"});

}  // namespace
}  // namespace planish
