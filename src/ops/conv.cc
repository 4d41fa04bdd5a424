// SPDX-License-Identifier: Apache-2.0
// Conv: convolution with groups, strides, dilations and padding over any number of spatial axes.
// https://onnx.ai/onnx/operators/onnx__Conv.html
#include "base/checked.h"
#include "base/str.h"
#include "ops/checks.h"
#include "ops/convolution.h"
#include "ops/elements_of.h"

namespace planish {

std::optional<Shape> convolution_shape(const InferContext& c, int x_input, int w_input) {
  check_min_rank(c, x_input, 2);
  check_min_rank(c, w_input, 2);
  const int64_t groups = c.attributes().integer("group", 1);
  if (groups < 1)
    c.fail(concat("group: expected at least 1, got ", groups), ErrorCode::kInvalidModel);
  if (!c.has_rank(x_input) || !c.has_rank(w_input)) return std::nullopt;
  const Shape &x = c.shape(x_input), &w = c.shape(w_input);
  if (x.size() != w.size())
    c.fail(concat("expected input and weights of one rank, got ", to_string(x), " and ",
                  to_string(w)));
  if (Dim::differs(x[1], w[1] * groups))
    c.fail(concat("expected ", (w[1] * groups).to_string(), " input channels (weights ",
                  to_string(w), ", group ", groups, "), got ", to_string(x)));
  if (w[0].is_constant() && w[0].value() % groups != 0)
    c.fail(concat("expected a multiple of ", groups, " groups of output channels, got weights ",
                  to_string(w)));
  const std::vector<int64_t> kernel =
      c.attributes().integers("kernel_shape", std::vector<int64_t>());
  Shape sizes(w.begin() + 2, w.end());
  if (!kernel.empty()) {
    bool fits = kernel.size() == sizes.size();
    for (size_t a = 0; fits && a < kernel.size(); ++a)
      fits = !Dim::differs(sizes[a], Dim(kernel[a]));
    if (!fits)
      c.fail(concat("kernel_shape ", join(kernel), " differs from the weights ", to_string(w)));
    sizes.assign(kernel.begin(), kernel.end());
  }
  const Window window = window_of(c, static_cast<int>(sizes.size()));
  Shape out = window_outputs(c, window, x, sizes);
  out.insert(out.begin(), {x[0], w[0]});
  return out;
}

ConvolutionPlan::ConvolutionPlan(const KernelContext& c, const Dims& x, const Dims& w,
                                 const Dims& out)
    : batch(x[0]), groups(c.attributes().integer("group", 1)), in_channels(w[1]) {
  out_channels = w[0] / groups;
  const std::span<const int64_t> in_dims(x), w_dims(w), out_dims(out);
  window = window_of(c, static_cast<int>(x.size()) - 2)
               .plan(in_dims.subspan(2), w_dims.subspan(2), out_dims.subspan(2));
  checked_mul(checked_mul(in_channels, window.kernel_count(), "weights"), 16, "weights");
}

namespace {

void infer_conv(InferContext& c) {
  check_float(c, 0);
  const DType dtype = check_same_dtype(c, 0, 3);
  check_rank(c, 2, 1);
  if (c.has_rank(1)) check_dim(c, 2, 0, c.shape(1)[0]);
  set_tensor(c, 0, dtype, convolution_shape(c, 0, 1));
}

template <class T>
void run_conv_as(KernelContext& c) {
  Tensor& out = c.output(0);
  const ElementsOf<T> x(c.input(0)), w(c.input(1));
  std::vector<double> bias;
  if (c.has_input(2)) bias = load<double>(c.input(2));
  const ConvolutionPlan plan(c, c.input(0).dims(), c.input(1).dims(), out.dims());
  const int64_t channels = out.dim(1), positions = plan.window.output_count();
  convolve(plan, x.data(), w.data(),
           [&](int64_t n, int64_t m, int64_t first, double* sums, int64_t count) {
             if (!bias.empty())
               for (int64_t i = 0; i < count; ++i) sums[i] += bias[static_cast<size_t>(m)];
             store<double>(out, (n * channels + m) * positions + first, count, sums);
           });
}

void run_conv(KernelContext& c) {
  with_float(c.output(0).dtype(), [&](auto t) { run_conv_as<decltype(t)>(c); });
}

const RegisterOp kConvOp(
    {.name = "Conv",
     .attributes = {optional("auto_pad", AttrKind::kString), optional("dilations", AttrKind::kInts),
                    optional("group", AttrKind::kInt), optional("kernel_shape", AttrKind::kInts),
                    optional("pads", AttrKind::kInts), optional("strides", AttrKind::kInts)},
     .inputs = {2, 3},
     .outputs = {1, 1},
     .infer = infer_conv,
     .run = run_conv,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__Conv.html"});

}  // namespace
}  // namespace planish
