// SPDX-License-Identifier: Apache-2.0
// LpPool: the Lp norm of each window.  https://onnx.ai/onnx/operators/onnx__LpPool.html
#include <cmath>
#include <vector>

#include "ops/checks.h"
#include "ops/elements_of.h"
#include "ops/global_pool.h"
#include "ops/window.h"

namespace planish {
namespace {

void infer_lp_pool(InferContext& c) {
  check_float(c, 0);
  lp_order(c);
  infer_pool(c);
}

template <class T>
void run_lp_pool_as(KernelContext& c) {
  Tensor& y = c.output(0);
  const WindowPlan plan = pool_plan(c, y.dims());
  const ElementsOf<T> x(c.input(0));
  const double p = lp_order(c);
  const int64_t inputs = plan.input_count(), outputs = plan.output_count();
  std::vector<double> norms(static_cast<size_t>(outputs));
  for (int64_t image = 0; image < y.dim(0) * y.dim(1); ++image) {
    const T* in = x.data() + image * inputs;
    plan.for_each_output([&](int64_t out, const Taps& taps) {
      LpNorm norm(p);
      taps.for_each([&](int64_t, int64_t i) { norm.add(static_cast<double>(in[i])); });
      norms[static_cast<size_t>(out)] = norm.value();
    });
    store<double>(y, image * outputs, outputs, norms.data());
  }
}

void run_lp_pool(KernelContext& c) {
  with_float(c.input(0).dtype(), [&](auto t) { run_lp_pool_as<decltype(t)>(c); });
}

const RegisterOp kLpPool(
    {.name = "LpPool",
     .attributes = {optional("auto_pad", AttrKind::kString), optional("ceil_mode", AttrKind::kInt),
                    optional("dilations", AttrKind::kInts),
                    required("kernel_shape", AttrKind::kInts), optional("p", AttrKind::kInt),
                    optional("pads", AttrKind::kInts), optional("strides", AttrKind::kInts)},
     .inputs = {1, 1},
     .outputs = {1, 1},
     .infer = infer_lp_pool,
     .run = run_lp_pool,
     .tolerance = {1e-6},
     .source = "https://onnx.ai/onnx/operators/onnx__LpPool.html"});

}  // namespace
}  // namespace planish
