// SPDX-License-Identifier: Apache-2.0
// DeformConv: a convolution whose taps are moved by offsets and weighted by a mask.
// https://onnx.ai/onnx/operators/onnx__DeformConv.html
#include <cmath>
#include <vector>

#include "base/checked.h"
#include "base/str.h"
#include "ops/checks.h"
#include "ops/convolution.h"
#include "tensor/elements.h"

namespace planish {
namespace {

enum DeformInput { kDeformX, kDeformW, kDeformOffset, kDeformBias, kDeformMask };

void infer_deform_conv(InferContext& c) {
  check_float(c, kDeformX);
  const DType dtype = check_same_dtype(c, 0, 5);
  const int64_t offsets = c.attributes().integer("offset_group", 1);
  if (offsets < 1 || offsets > INT32_MAX)
    c.fail(concat("offset_group: expected at least 1, got ", offsets), ErrorCode::kInvalidModel);
  check_min_rank(c, kDeformX, 3);
  const std::optional<Shape> out = convolution_shape(c, kDeformX, kDeformW);
  set_tensor(c, 0, dtype, out);
  if (!out) return;
  const Shape &x = c.shape(kDeformX), &w = c.shape(kDeformW);
  if (x[1].is_constant() && x[1].value() % offsets != 0)
    c.fail(concat("expected a multiple of ", offsets, " offset groups of channels, got ",
                  to_string(x)));
  const Dim taps = product(w, 2) * offsets;
  Shape offset = *out;
  offset[1] = taps * static_cast<int64_t>(x.size() - 2);
  check_shape(c, kDeformOffset, offset);
  offset[1] = taps;
  check_shape(c, kDeformMask, offset);
  check_shape(c, kDeformBias, {w[0]});
}

// Linear interpolation at `at`; pixels outside are zero.
double sample_linear(const double* image, const std::vector<WindowAxis>& axes,
                     const std::vector<double>& at) {
  const size_t n = axes.size();
  for (size_t a = 0; a < n; ++a)
    if (!(at[a] > -1 && at[a] < static_cast<double>(axes[a].input))) return 0;
  double sum = 0;
  for (uint64_t corner = 0; corner < uint64_t{1} << n; ++corner) {
    double weight = 1;
    int64_t index = 0;
    for (size_t a = 0; a < n && weight != 0; ++a) {
      const double low = std::floor(at[a]), f = at[a] - low;
      const bool high = (corner >> a & 1) != 0;
      const int64_t i = static_cast<int64_t>(low) + (high ? 1 : 0);
      weight *= high ? f : 1 - f;
      if (i < 0 || i >= axes[a].input) weight = 0;
      index = index * axes[a].input + i;
    }
    if (weight != 0) sum += weight * image[index];
  }
  return sum;
}

// Positions of all taps of one window, less the offsets: [taps][axes].
std::vector<double> tap_positions(const WindowPlan& plan, int64_t out) {
  const size_t n = plan.axes.size();
  std::vector<int64_t> start(n);
  for (size_t a = n; a-- > 0;) {
    start[a] = out % plan.axes[a].output * plan.axes[a].stride - plan.axes[a].begin;
    out /= plan.axes[a].output;
  }
  const int64_t taps = plan.kernel_count();
  std::vector<double> at(static_cast<size_t>(taps) * n);
  for (int64_t tap = 0; tap < taps; ++tap) {
    int64_t rest = tap;
    for (size_t a = n; a-- > 0;) {
      at[static_cast<size_t>(tap) * n + a] =
          static_cast<double>(start[a] + rest % plan.axes[a].kernel * plan.axes[a].dilation);
      rest /= plan.axes[a].kernel;
    }
  }
  return at;
}

void run_deform_conv(KernelContext& c) {
  Tensor& y = c.output(0);
  if (y.count() == 0) return;
  const ConvolutionPlan plan(c, c.input(kDeformX).dims(), c.input(kDeformW).dims(), y.dims());
  const size_t axes = plan.window.axes.size();
  if (axes > 16)
    c.fail(concat("expected at most 16 spatial axes, got ", axes), ErrorCode::kUnsupported);
  const std::vector<double> x = load<double>(c.input(kDeformX)),
                            w = load<double>(c.input(kDeformW));
  const std::vector<double> offset = load<double>(c.input(kDeformOffset));
  std::vector<double> mask, bias(static_cast<size_t>(y.dim(1)), 0),
      out(static_cast<size_t>(y.count()));
  if (c.has_input(kDeformBias)) bias = load<double>(c.input(kDeformBias));
  if (c.has_input(kDeformMask)) mask = load<double>(c.input(kDeformMask));
  const int64_t offset_groups = c.attributes().integer("offset_group", 1);
  const int64_t taps = plan.window.kernel_count(), inputs = plan.window.input_count();
  const int64_t outputs = plan.window.output_count(), channels = c.input(kDeformX).dim(1);
  std::vector<double> column(static_cast<size_t>(channels * taps)), at(axes);
  for (int64_t n = 0; n < plan.batch; ++n)
    for (int64_t pos = 0; pos < outputs; ++pos) {
      const std::vector<double> positions = tap_positions(plan.window, pos);
      for (int64_t ch = 0; ch < channels; ++ch) {
        const int64_t group = n * offset_groups + ch / (channels / offset_groups);
        for (int64_t tap = 0; tap < taps; ++tap) {
          const int64_t row = group * taps + tap;
          for (size_t a = 0; a < axes; ++a)
            at[a] =
                positions[static_cast<size_t>(tap) * axes + a] +
                offset[static_cast<size_t>(
                    (row * static_cast<int64_t>(axes) + static_cast<int64_t>(a)) * outputs + pos)];
          double v = sample_linear(x.data() + (n * channels + ch) * inputs, plan.window.axes, at);
          if (!mask.empty()) v *= mask[static_cast<size_t>(row * outputs + pos)];
          column[static_cast<size_t>(ch * taps + tap)] = v;
        }
      }
      const int64_t depth = plan.in_channels * taps;
      for (int64_t m = 0; m < y.dim(1); ++m) {
        const double* from = column.data() + m / plan.out_channels * depth;
        double sum = bias[static_cast<size_t>(m)];
        for (int64_t k = 0; k < depth; ++k) sum += w[static_cast<size_t>(m * depth + k)] * from[k];
        out[static_cast<size_t>((n * y.dim(1) + m) * outputs + pos)] = sum;
      }
    }
  store(y, out);
}

const RegisterOp kDeformConv(
    {.name = "DeformConv",
     .attributes = {optional("dilations", AttrKind::kInts), optional("group", AttrKind::kInt),
                    optional("kernel_shape", AttrKind::kInts),
                    optional("offset_group", AttrKind::kInt), optional("pads", AttrKind::kInts),
                    optional("strides", AttrKind::kInts)},
     .inputs = {3, 5},
     .outputs = {1, 1},
     .infer = infer_deform_conv,
     .run = run_deform_conv,
     .tolerance = {1e-4},
     .source = "https://onnx.ai/onnx/operators/onnx__DeformConv.html"});

}  // namespace
}  // namespace planish
