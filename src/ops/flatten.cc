// SPDX-License-Identifier: Apache-2.0
// Flatten: the dims before an axis become one, the dims from it on another.
#include "base/str.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_flatten(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  if (!c.has_rank(0)) return set_tensor(c, 0, dtype, fresh_shape(c, 2));
  const int64_t rank = c.rank(0);
  int64_t axis = c.attributes().integer("axis", 1);
  if (axis < -rank || axis > rank) c.fail(concat("axis ", axis, " is outside of rank ", rank));
  if (axis < 0) axis += rank;
  const auto at = static_cast<size_t>(axis);
  set_tensor(c, 0, dtype, Shape{product(c.shape(0), 0, at), product(c.shape(0), at)});
}

void run_flatten(KernelContext& c) { copy_all(c.output(0), c.input(0)); }

const RegisterOp kFlatten({.name = "Flatten",
                           .attributes = {optional("axis", AttrKind::kInt)},
                           .infer = infer_flatten,
                           .run = run_flatten,
                           .source = "https://onnx.ai/onnx/operators/onnx__Flatten.html"});

}  // namespace
}  // namespace planish
