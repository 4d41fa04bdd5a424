// SPDX-License-Identifier: Apache-2.0
// QLinearConv: a convolution of quantised data, quantised again.
// https://onnx.ai/onnx/operators/onnx__QLinearConv.html
#include <vector>

#include "ops/checks.h"
#include "ops/convolution.h"
#include "ops/quantization.h"

namespace planish {
namespace {

bool is_qlinear_conv_dtype(DType t) { return t == DType::kI8 || t == DType::kU8; }
bool is_qlinear_scale(DType t) { return t == DType::kF32; }

void infer_qlinear_conv(InferContext& c) {
  for (int i : {0, 3, 7}) check_tensor(c, i, is_qlinear_conv_dtype, "int8 or uint8");
  for (int i : {1, 4, 6}) check_tensor(c, i, is_qlinear_scale, "float32");
  if (c.has_input(8))
    check_tensor(
        c, 8, [](DType t) { return t == DType::kI32; }, "int32");
  check_same_dtype_pair(c, 0, 2);
  check_same_dtype_pair(c, 3, 5);
  for (int i : {1, 2, 6, 7}) check_single(c, i);
  check_rank(c, 8, 1);
  if (c.has_rank(3) && c.rank(3) > 0) {
    for (int i : {4, 5}) check_scalar_or_vector(c, i, c.shape(3)[0]);
    check_dim(c, 8, 0, c.shape(3)[0]);
  }
  set_tensor(c, 0, c.dtype(7), convolution_shape(c, 0, 3));
}

void run_qlinear_conv(KernelContext& c) {
  Tensor& out = c.output(0);
  const std::vector<float> x = load_shifted(c.input(0), &c.input(2), 0);
  const std::vector<float> w = load_shifted(c.input(3), &c.input(5), 0);
  const auto x_scale = element<double>(c.input(1), 0), y_scale = element<double>(c.input(6), 0);
  const std::vector<double> w_scale = load<double>(c.input(4));
  const auto y_zero = element<double>(c.input(7), 0);
  std::vector<double> bias;
  if (c.has_input(8)) bias = load<double>(c.input(8));
  const ConvolutionPlan plan(c, c.input(0).dims(), c.input(3).dims(), out.dims());
  const int64_t channels = out.dim(1), positions = plan.window.output_count();
  convolve(plan, x.data(), w.data(),
           [&](int64_t n, int64_t m, int64_t first, double* sums, int64_t count) {
             const double own = w_scale[w_scale.size() == 1 ? 0 : static_cast<size_t>(m)];
             const double factor =
                 round_to(DType::kF32, round_to(DType::kF32, x_scale * own) / y_scale);
             const double base = bias.empty() ? 0 : bias[static_cast<size_t>(m)];
             // Ties are those of the scaled sum, so it is rounded before the zero point is added.
             for (int64_t i = 0; i < count; ++i)
               sums[i] = std::nearbyint((sums[i] + base) * factor) + y_zero;
             store_saturated(out, (n * channels + m) * positions + first, count, sums);
           });
}

const RegisterOp kQLinearConv(
    {.name = "QLinearConv",
     .attributes = {optional("auto_pad", AttrKind::kString), optional("dilations", AttrKind::kInts),
                    optional("group", AttrKind::kInt), optional("kernel_shape", AttrKind::kInts),
                    optional("pads", AttrKind::kInts), optional("strides", AttrKind::kInts)},
     .inputs = {8, 9},
     .outputs = {1, 1},
     .infer = infer_qlinear_conv,
     .run = run_qlinear_conv,
     .source = "https://onnx.ai/onnx/operators/onnx__QLinearConv.html"});

}  // namespace
}  // namespace planish
