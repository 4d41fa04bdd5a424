// SPDX-License-Identifier: Apache-2.0
// MaxUnpool: puts the results of MaxPool back where they came from, among zeros.
// https://onnx.ai/onnx/operators/onnx__MaxUnpool.html
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/window.h"
#include "tensor/elements.h"

namespace planish {
namespace {

// The pooled input's shape that attributes and the output of the pool tell.
template <class Context>
Shape unpooled_shape(const Context& c, const Shape& x) {
  const std::vector<int64_t>& kernel = c.attributes().integers("kernel_shape");
  const std::string problem = check_kernel(kernel);
  if (!problem.empty()) c.fail(problem, ErrorCode::kInvalidModel);
  const Window window = window_of(c, static_cast<int>(kernel.size()));
  Shape out{x[0], x[1]};
  for (size_t a = 0; a < kernel.size(); ++a)
    out.push_back((x[a + 2] - 1) * window.strides[a] - window.begins[a] - window.ends[a] +
                  kernel[a]);
  return out;
}

void infer_max_unpool(InferContext& c) {
  const DType dtype = check_float(c, 0);
  for (int i : {1, 2})
    if (c.has_input(i)) check_tensor(c, i, is_i64, "int64");
  check_rank(c, 2, 1);
  const auto axes = static_cast<int>(c.attributes().integers("kernel_shape").size());
  check_rank(c, 0, axes + 2);
  if (!c.has_rank(0)) return c.set_output(0, Type::tensor(dtype));
  check_shape(c, 1, c.shape(0));
  Shape out = unpooled_shape(c, c.shape(0));
  if (c.has_input(2)) {
    const Shape least = out;
    out.clear();
    const auto wanted = c.contents(2);
    if (wanted && wanted->size() != least.size())
      c.fail(concat("output_shape: expected ", least.size(), " values, got ", wanted->size()));
    for (size_t i = 0; i < least.size(); ++i) {
      out.push_back(wanted && (*wanted)[i] ? *(*wanted)[i] : c.fresh_dim());
      if (out[i].is_constant() && least[i].is_constant() && out[i].value() < least[i].value())
        c.fail(concat("output_shape: expected at least ", to_string(least), ", got ",
                      out[i].value(), " in dimension ", i));
    }
  }
  for (const Dim& dim : out) check_size(c, dim, "a dimension of the output");
  c.set_output(0, Type::tensor(dtype, std::move(out)));
}

void run_max_unpool(KernelContext& c) {
  Tensor& y = c.output(0);
  const Dims& dims = c.input(0).dims();
  const Dims least = *constant_dims(unpooled_shape(c, Shape(dims.begin(), dims.end())));
  const int64_t size = element_count(least);
  const std::vector<double> x = load<double>(c.input(0));
  const std::vector<int64_t> where = load<int64_t>(c.input(1));
  std::vector<double> out(static_cast<size_t>(y.count()), 0);
  for (size_t i = 0; i < x.size(); ++i) {
    int64_t at = where[i];
    if (at < 0 || at >= size) c.fail(concat("indices: ", at, " is outside of ", size, " elements"));
    // From the pooled input's order to the output's, which may be larger.
    int64_t to = 0, step = 1;
    for (size_t a = least.size(); a-- > 0;) {
      to += at % least[a] * step;
      at /= least[a];
      step *= y.dims()[a];
    }
    out[static_cast<size_t>(to)] = x[i];
  }
  store(y, out);
}

const RegisterOp kMaxUnpool({.name = "MaxUnpool",
                             .attributes = {required("kernel_shape", AttrKind::kInts),
                                            optional("pads", AttrKind::kInts),
                                            optional("strides", AttrKind::kInts)},
                             .inputs = {2, 3},
                             .outputs = {1, 1},
                             .infer = infer_max_unpool,
                             .run = run_max_unpool,
                             .source = "https://onnx.ai/onnx/operators/onnx__MaxUnpool.html"});

}  // namespace
}  // namespace planish
