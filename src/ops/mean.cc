// SPDX-License-Identifier: Apache-2.0
// Mean: the elementwise mean of inputs that broadcast.
#include "ops/broadcast.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"

namespace planish {
namespace {

void infer_mean(InferContext& c) {
  const DType dtype = check_same_dtype(c, 0, c.input_count());
  check_tensor(c, 0, is_float, "floats");
  set_tensor(c, 0, dtype, broadcast_inputs(c, 0, c.input_count()));
}

void run_mean(KernelContext& c) {
  Tensor& out = c.output(0);
  std::vector<double> totals(static_cast<size_t>(out.count()), 0);
  for (int i = 0; i < c.input_count(); ++i) {
    const std::vector<double> in = load<double>(c.input(i));
    size_t to = 0;
    for (Walk walk(out.dims(), {broadcast_view(c, c.input(i).dims(), out.dims())}); !walk.done(); walk.next())
      totals[to++] += in[static_cast<size_t>(walk[0])];
  }
  for (double& v : totals) v /= c.input_count();
  store(out, totals);
}

const RegisterOp kMean({.name = "Mean",
                        .inputs = {1, kAnyNumber},
                        .infer = infer_mean,
                        .run = run_mean,
                        .tolerance = {1e-6},
                        .source = "https://onnx.ai/onnx/operators/onnx__Mean.html"});

}  // namespace
}  // namespace planish
