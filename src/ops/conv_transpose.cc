// SPDX-License-Identifier: Apache-2.0
// ConvTranspose: the gradient of a convolution with respect to its input.
// https://onnx.ai/onnx/operators/onnx__ConvTranspose.html
#include <algorithm>
#include <vector>

#include "base/checked.h"
#include "base/str.h"
#include "ops/checks.h"
#include "ops/elements_of.h"
#include "ops/product.h"
#include "ops/window.h"

namespace planish {
namespace {

// Sizes of the output and of the padding that is cut off at the beginning of one axis.
struct Extent {
  Dim output, begin;
};

struct TransposedWindow {
  Window window;  // its `begins` and `ends` serve without output_shape and auto_pad only
  std::vector<int64_t> output_padding, output_shape;

  Extent extent(size_t a, const Dim& input, const Dim& kernel) const {
    const Dim stride = window.strides[a];
    const Dim whole =
        stride * (input - 1) + output_padding[a] + (kernel - 1) * window.dilations[a] + 1;
    const bool is_same =
        window.auto_pad == AutoPad::kSameUpper || window.auto_pad == AutoPad::kSameLower;
    if (output_shape.empty() && !is_same) {
      if (window.auto_pad == AutoPad::kValid) return {whole, 0};
      return {whole - window.begins[a] - window.ends[a], window.begins[a]};
    }
    const Dim output = output_shape.empty() ? input * stride : Dim(output_shape[a]);
    const Dim total = Dim::max(whole - output, 0);
    const Dim half = total.floor_div(2);
    return {output, window.auto_pad == AutoPad::kSameUpper ? half : total - half};
  }
};

template <class Context>
TransposedWindow transposed_window(const Context& c, int axes) {
  TransposedWindow out{window_of(c, axes), {}, {}};
  const auto count = static_cast<size_t>(axes);
  out.output_padding = c.attributes().integers("output_padding", std::vector<int64_t>());
  if (out.output_padding.empty()) out.output_padding.assign(count, 0);
  out.output_shape = c.attributes().integers("output_shape", std::vector<int64_t>());
  // Some exporters give batch and channels too.
  if (out.output_shape.size() == count + 2)
    out.output_shape.erase(out.output_shape.begin(), out.output_shape.begin() + 2);
  if (out.output_padding.size() != count ||
      (!out.output_shape.empty() && out.output_shape.size() != count))
    c.fail(concat("output_padding and output_shape: expected ", count, " values"),
           ErrorCode::kInvalidModel);
  for (int64_t v : out.output_padding)
    if (v < 0 || v > INT32_MAX)
      c.fail(concat("output_padding: expected values from 0 on, got ", v),
             ErrorCode::kInvalidModel);
  for (int64_t v : out.output_shape)
    if (v < 0 || v > INT32_MAX)
      c.fail(concat("output_shape: expected values from 0 on, got ", v), ErrorCode::kInvalidModel);
  return out;
}

void infer_conv_transpose(InferContext& c) {
  check_float(c, 0);
  const DType dtype = check_same_dtype(c, 0, 3);
  check_min_rank(c, 0, 3);
  check_min_rank(c, 1, 3);
  check_rank(c, 2, 1);
  const int64_t groups = c.attributes().integer("group", 1);
  if (groups < 1)
    c.fail(concat("group: expected at least 1, got ", groups), ErrorCode::kInvalidModel);
  if (!c.has_rank(0) || !c.has_rank(1)) return c.set_output(0, Type::tensor(dtype));
  const Shape &x = c.shape(0), &w = c.shape(1);
  if (x.size() != w.size() || Dim::differs(x[1], w[0]))
    c.fail(concat("expected input [N, C, ...] and weights [C, M/group, ...] of one rank, got ",
                  to_string(x), " and ", to_string(w)));
  if (w[0].is_constant() && w[0].value() % groups != 0)
    c.fail(concat("expected a multiple of ", groups, " groups of channels, got weights ",
                  to_string(w)));
  Shape out{x[0], w[1] * groups};
  check_dim(c, 2, 0, out[1]);
  const std::vector<int64_t> kernel =
      c.attributes().integers("kernel_shape", std::vector<int64_t>());
  if (!kernel.empty() && kernel.size() != w.size() - 2)
    c.fail(concat("kernel_shape: expected ", w.size() - 2, " values, got ", kernel.size()));
  const TransposedWindow window = transposed_window(c, static_cast<int>(x.size()) - 2);
  for (size_t a = 0; a + 2 < x.size(); ++a) {
    if (!kernel.empty() && Dim::differs(w[a + 2], Dim(kernel[a])))
      c.fail(concat("kernel_shape ", join(kernel), " differs from the weights ", to_string(w)));
    if (w[a + 2].is_constant() && w[a + 2].value() < 1)
      c.fail(concat("expected weights with at least one tap an axis, got ", to_string(w)));
    const Dim size = window.extent(a, x[a + 2], w[a + 2]).output;
    if (size.is_constant() && size.value() < 0 && x[a + 2] == Dim(0))
      out.emplace_back(0);
    else if (size.is_constant() && size.value() < 0)
      c.fail(concat("spatial axis ", a, ": the padding is larger than the output, by ",
                    -size.value()));
    else
      out.push_back(size);
  }
  c.set_output(0, Type::tensor(dtype, std::move(out)));
}

// The convolution that this op transposes: its input is our output.
WindowPlan forward_plan(const KernelContext& c, const Dims& x, const Dims& w, const Dims& out) {
  const TransposedWindow window = transposed_window(c, static_cast<int>(x.size()) - 2);
  WindowPlan plan;
  for (size_t a = 0; a + 2 < x.size(); ++a) {
    const WindowAxis axis{.input = out[a + 2],
                          .kernel = w[a + 2],
                          .output = x[a + 2],
                          .stride = window.window.strides[a],
                          .dilation = window.window.dilations[a],
                          .begin = window.extent(a, x[a + 2], w[a + 2]).begin.value()};
    checked_add(checked_mul(axis.output, axis.stride, "window"),
                checked_mul(axis.kernel, axis.dilation, "window"), "window");
    plan.axes.push_back(axis);
  }
  return plan;
}

template <class T>
void run_conv_transpose_as(KernelContext& c) {
  Tensor& out = c.output(0);
  const Dims &x_dims = c.input(0).dims(), &w_dims = c.input(1).dims();
  const ElementsOf<T> x(c.input(0)), w(c.input(1));
  std::vector<double> bias(static_cast<size_t>(out.dim(1)), 0);
  if (c.has_input(2)) bias = load<double>(c.input(2));
  const WindowPlan plan = forward_plan(c, x_dims, w_dims, out.dims());
  const int64_t groups = c.attributes().integer("group", 1);
  const int64_t in_channels = x_dims[1] / groups, out_channels = w_dims[1];
  const int64_t taps = plan.kernel_count(), inputs = plan.output_count(),
                outputs = plan.input_count();
  const int64_t depth = checked_mul(out_channels, taps, "weights");
  if (out.count() == 0) return;
  std::vector<T> turned(static_cast<size_t>(in_channels * depth));
  std::vector<double> sums(static_cast<size_t>(out_channels * outputs));
  const int64_t width =
      std::clamp<int64_t>((int64_t{1} << 18) / depth, 16, std::max<int64_t>(inputs, 16));
  std::vector<T> block;
  std::vector<double> columns;
  for (int64_t n = 0; n < x_dims[0]; ++n)
    for (int64_t g = 0; g < groups; ++g) {
      transpose_matrix(in_channels, depth, w.data() + g * in_channels * depth, turned.data());
      for (int64_t m = 0; m < out_channels; ++m)
        std::fill_n(sums.begin() + m * outputs, outputs,
                    bias[static_cast<size_t>(g * out_channels + m)]);
      const T* image = x.data() + (n * groups + g) * in_channels * inputs;
      for (int64_t first = 0; first < inputs; first += width) {
        const int64_t count = std::min(width, inputs - first);
        block.resize(static_cast<size_t>(in_channels * count));
        columns.resize(static_cast<size_t>(depth * count));
        for (int64_t ch = 0; ch < in_channels; ++ch)
          std::copy_n(image + ch * inputs + first, count, block.begin() + ch * count);
        matrix_product(depth, count, in_channels, turned.data(), block.data(), columns.data());
        plan.for_each_output(first, first + count, [&](int64_t at, const Taps& window) {
          window.for_each([&](int64_t tap, int64_t to) {
            for (int64_t m = 0; m < out_channels; ++m)
              sums[static_cast<size_t>(m * outputs + to)] +=
                  columns[static_cast<size_t>((m * taps + tap) * count + at - first)];
          });
        });
      }
      store<double>(out, (n * groups + g) * out_channels * outputs, out_channels * outputs,
                    sums.data());
    }
}

void run_conv_transpose(KernelContext& c) {
  with_float(c.output(0).dtype(), [&](auto t) { run_conv_transpose_as<decltype(t)>(c); });
}

const RegisterOp kConvTransposeOp(
    {.name = "ConvTranspose",
     .attributes = {optional("auto_pad", AttrKind::kString), optional("dilations", AttrKind::kInts),
                    optional("group", AttrKind::kInt), optional("kernel_shape", AttrKind::kInts),
                    optional("output_padding", AttrKind::kInts),
                    optional("output_shape", AttrKind::kInts), optional("pads", AttrKind::kInts),
                    optional("strides", AttrKind::kInts)},
     .inputs = {2, 3},
     .outputs = {1, 1},
     .infer = infer_conv_transpose,
     .run = run_conv_transpose,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__ConvTranspose.html"});

}  // namespace
}  // namespace planish
