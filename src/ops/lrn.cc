// SPDX-License-Identifier: Apache-2.0
// LRN: divides by a power of the squares of neighbouring channels.
// https://onnx.ai/onnx/operators/onnx__LRN.html
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/strides.h"
#include "tensor/elements.h"

namespace planish {
namespace {

void infer_lrn(InferContext& c) {
  check_float(c, 0);
  check_min_rank(c, 0, 2);
  const int64_t size = c.attributes().integer("size");
  if (size < 1 || size > INT32_MAX)
    c.fail(concat("size: expected at least 1, got ", size), ErrorCode::kInvalidModel);
  set_like(c, 0, 0);
}

void run_lrn(KernelContext& c) {
  const Dims& dims = c.input(0).dims();
  const int64_t size = c.attributes().integer("size");
  const double alpha = c.attributes().real("alpha", 9.999999747378752e-05);
  const double beta = c.attributes().real("beta", 0.75), bias = c.attributes().real("bias", 1);
  const int64_t before = (size - 1) / 2, after = size - 1 - before;
  const int64_t channels = dims[1], space = inner_count(dims, 1);
  const std::vector<double> x = load<double>(c.input(0));
  std::vector<double> y(x.size());
  for (int64_t n = 0; n < dims[0]; ++n)
    for (int64_t ch = 0; ch < channels; ++ch) {
      const int64_t first = std::max<int64_t>(0, ch - before),
                    last = std::min(channels - 1, ch + after);
      for (int64_t i = 0; i < space; ++i) {
        double squares = 0;
        for (int64_t k = first; k <= last; ++k) {
          const double v = x[static_cast<size_t>((n * channels + k) * space + i)];
          squares += v * v;
        }
        const auto at = static_cast<size_t>((n * channels + ch) * space + i);
        y[at] = x[at] / std::pow(bias + alpha / static_cast<double>(size) * squares, beta);
      }
    }
  store(c.output(0), y);
}

const RegisterOp kLrn(
    {.name = "LRN",
     .attributes = {optional("alpha", AttrKind::kFloat), optional("beta", AttrKind::kFloat),
                    optional("bias", AttrKind::kFloat), required("size", AttrKind::kInt)},
     .inputs = {1, 1},
     .outputs = {1, 1},
     .infer = infer_lrn,
     .run = run_lrn,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__LRN.html"});

}  // namespace
}  // namespace planish
