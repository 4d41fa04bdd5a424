// SPDX-License-Identifier: Apache-2.0
// Hardmax: 1 where the first largest element along an axis lies, 0 elsewhere.
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_hardmax(InferContext& c) {
  check_tensor(c, 0, is_float, "floats");
  if (c.has_rank(0)) c.normalize_axis(c.attributes().integer("axis", -1), c.rank(0));
  set_like(c, 0, 0);
}

void run_hardmax(KernelContext& c) {
  const Tensor& in = c.input(0);
  Tensor& out = c.output(0);
  fill_zero(out);
  const int axis = c.normalize_axis(c.attributes().integer("axis", -1), in.rank());
  const int64_t size = in.dim(axis), inner = inner_count(in.dims(), axis),
                outer = outer_count(in.dims(), axis);
  if (size == 0) return;
  const double one = 1;
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < inner; ++i) {
      auto place = [&](int64_t n) { return (o * size + n) * inner + i; };
      int64_t best = 0;
      double largest = element<double>(in, place(0));
      for (int64_t n = 1; n < size && largest == largest; ++n) {
        const double v = element<double>(in, place(n));
        if (!(v > largest) && v == v) continue;
        largest = v;
        best = n;
      }
      store<double>(out, place(best), 1, &one);
    }
  }
}

const RegisterOp kHardmax({.name = "Hardmax",
                           .attributes = {optional("axis", AttrKind::kInt)},
                           .infer = infer_hardmax,
                           .run = run_hardmax,
                           .source = "https://onnx.ai/onnx/operators/onnx__Hardmax.html"});

}  // namespace
}  // namespace planish
