// SPDX-License-Identifier: Apache-2.0
// OneHot: a new axis of `depth`, with on_value at each index and off_value elsewhere.
#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

Dim depth_dim(InferContext& c) {
  if (const Tensor* depth = c.constant(1); depth != nullptr && depth->count() == 1)
    return check_size(c, element<int64_t>(*depth, 0), "depth");
  const auto known = c.contents(1);
  if (known && known->size() == 1 && (*known)[0]) return check_size(c, *(*known)[0], "depth");
  return c.fresh_dim();
}

void infer_one_hot(InferContext& c) {
  check_tensor(c, 0, is_number, "numbers");
  check_tensor(c, 1, is_number, "a number");
  check_single(c, 1);
  const DType dtype = check_tensor(c, 2);
  check_rank(c, 2, 1);
  if (c.has_rank(2)) check_equal(c, c.shape(2)[0], 2, "length of values");
  const Dim depth = depth_dim(c);
  if (!c.has_rank(0)) return set_tensor(c, 0, dtype, std::nullopt);
  Shape out = c.shape(0);
  const int axis = c.normalize_axis(c.attributes().integer("axis", -1), c.rank(0) + 1);
  out.insert(out.begin() + axis, depth);
  set_tensor(c, 0, dtype, std::move(out));
}

void run_one_hot(KernelContext& c) {
  const Tensor& indices = c.input(0);
  const Tensor values = spread(c.input(2));
  c.require(values.count() == 2, "values: expected two");
  const int64_t depth = element<int64_t>(c.input(1), 0);
  const int axis = c.normalize_axis(c.attributes().integer("axis", -1), indices.rank() + 1);
  Dims dims = indices.dims();
  dims.insert(dims.begin() + axis, depth);
  require_dims(c, c.output(0), dims);
  fill_spread(c.output(0), [&](Tensor& out) {
    fill_run(out, 0, out.count(), values, 0);
    if (out.count() == 0) return;
    const int64_t inner = inner_count(dims, axis);
    const std::vector<int64_t> hot = load<int64_t>(indices);
    for (size_t i = 0; i < hot.size(); ++i) {
      if (hot[i] < -depth || hot[i] >= depth) continue;
      const int64_t at = hot[i] < 0 ? hot[i] + depth : hot[i];
      const auto n = static_cast<int64_t>(i);
      copy_run(out, (n / inner * depth + at) * inner + n % inner, values, 1, 1);
    }
  });
}

const RegisterOp kOneHot({.name = "OneHot",
                          .attributes = {optional("axis", AttrKind::kInt)},
                          .inputs = {3, 3},
                          .infer = infer_one_hot,
                          .run = run_one_hot,
                          .source = "https://onnx.ai/onnx/operators/onnx__OneHot.html"});

}  // namespace
}  // namespace planish
