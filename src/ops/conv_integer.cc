// SPDX-License-Identifier: Apache-2.0
// ConvInteger: convolution of 8-bit data less their zero points, in int32.
// https://onnx.ai/onnx/operators/onnx__ConvInteger.html
#include <vector>

#include "ops/checks.h"
#include "ops/convolution.h"
#include "ops/quantization.h"

namespace planish {
namespace {

bool is_conv_integer_dtype(DType t) { return t == DType::kI8 || t == DType::kU8; }

void infer_conv_integer(InferContext& c) {
  for (int i : {0, 1}) {
    check_tensor(c, i, is_conv_integer_dtype, "int8 or uint8");
    check_same_dtype_pair(c, i, i + 2);
  }
  if (c.has_input(2)) check_single(c, 2);
  if (c.has_rank(1) && c.rank(1) > 0) check_scalar_or_vector(c, 3, c.shape(1)[0]);
  set_tensor(c, 0, DType::kI32, convolution_shape(c, 0, 1));
}

void run_conv_integer(KernelContext& c) {
  Tensor& out = c.output(0);
  const std::vector<float> x = load_shifted(c.input(0), c.has_input(2) ? &c.input(2) : nullptr, 0);
  const std::vector<float> w = load_shifted(c.input(1), c.has_input(3) ? &c.input(3) : nullptr, 0);
  const ConvolutionPlan plan(c, c.input(0).dims(), c.input(1).dims(), out.dims());
  const int64_t channels = out.dim(1), positions = plan.window.output_count();
  convolve(plan, x.data(), w.data(),
           [&](int64_t n, int64_t m, int64_t first, double* sums, int64_t count) {
             store<double>(out, (n * channels + m) * positions + first, count, sums);
           });
}

const RegisterOp kConvInteger(
    {.name = "ConvInteger",
     .attributes = {optional("auto_pad", AttrKind::kString), optional("dilations", AttrKind::kInts),
                    optional("group", AttrKind::kInt), optional("kernel_shape", AttrKind::kInts),
                    optional("pads", AttrKind::kInts), optional("strides", AttrKind::kInts)},
     .inputs = {2, 4},
     .outputs = {1, 1},
     .infer = infer_conv_integer,
     .run = run_conv_integer,
     .source = "https://onnx.ai/onnx/operators/onnx__ConvInteger.html"});

}  // namespace
}  // namespace planish
