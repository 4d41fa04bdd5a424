// SPDX-License-Identifier: Apache-2.0
// AveragePool: the mean of each window, of its elements or of its padding too.
// https://onnx.ai/onnx/operators/onnx__AveragePool.html
#include <vector>

#include "ops/checks.h"
#include "ops/elements_of.h"
#include "ops/window.h"

namespace planish {
namespace {

void infer_average_pool(InferContext& c) {
  check_float(c, 0);
  infer_pool(c);
}

template <class T>
void run_average_pool_as(KernelContext& c) {
  Tensor& y = c.output(0);
  const WindowPlan plan = pool_plan(c, y.dims());
  const ElementsOf<T> x(c.input(0));
  const int64_t inputs = plan.input_count(), outputs = plan.output_count();
  const bool with_padding = c.attributes().integer("count_include_pad", 0) != 0;
  std::vector<double> means(static_cast<size_t>(outputs));
  for (int64_t image = 0; image < y.dim(0) * y.dim(1); ++image) {
    const T* in = x.data() + image * inputs;
    plan.for_each_output([&](int64_t out, const Taps& taps) {
      double sum = 0;
      int64_t count = 0;
      taps.for_each([&](int64_t, int64_t i) {
        sum += static_cast<double>(in[i]);
        ++count;
      });
      if (with_padding) count = plan.padded_taps(out);
      means[static_cast<size_t>(out)] = count == 0 ? 0 : sum / static_cast<double>(count);
    });
    store<double>(y, image * outputs, outputs, means.data());
  }
}

void run_average_pool(KernelContext& c) {
  with_float(c.input(0).dtype(), [&](auto t) { run_average_pool_as<decltype(t)>(c); });
}

const RegisterOp kAveragePoolOp(
    {.name = "AveragePool",
     .attributes = {optional("auto_pad", AttrKind::kString), optional("ceil_mode", AttrKind::kInt),
                    optional("count_include_pad", AttrKind::kInt),
                    optional("dilations", AttrKind::kInts),
                    required("kernel_shape", AttrKind::kInts), optional("pads", AttrKind::kInts),
                    optional("strides", AttrKind::kInts)},
     .inputs = {1, 1},
     .outputs = {1, 1},
     .infer = infer_average_pool,
     .run = run_average_pool,
     .tolerance = {1e-6},
     .source = "https://onnx.ai/onnx/operators/onnx__AveragePool.html"});

}  // namespace
}  // namespace planish
