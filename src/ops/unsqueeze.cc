// SPDX-License-Identifier: Apache-2.0
// Unsqueeze: dimensions of 1 inserted at the given places of the output.
#include "base/str.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_unsqueeze(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_tensor(c, 1, is_i64, "int64");
  // A scalar is taken for one axis: many exporters write it so.
  if (c.has_rank(1) && c.rank(1) > 1) check_rank(c, 1, 1);
  const auto axes = c.integers(1);
  if (!c.has_rank(0)) return set_tensor(c, 0, dtype, std::nullopt);
  if (!axes) {
    const auto count = known_length(c, 1);
    if (count && *count > 1024) c.fail(concat(*count, " new dimensions"));
    return set_tensor(c, 0, dtype,
                      count ? std::optional(fresh_shape(c, static_cast<size_t>(c.rank(0) + *count)))
                            : std::nullopt);
  }
  if (axes->size() > 1024) c.fail(concat(axes->size(), " new dimensions"));
  const int rank = c.rank(0) + static_cast<int>(axes->size());
  std::vector<bool> is_new(static_cast<size_t>(rank), false);
  for (int axis : normalize_axes(c, *axes, rank)) is_new[static_cast<size_t>(axis)] = true;
  Shape out;
  size_t next = 0;
  for (bool one : is_new) out.push_back(one ? Dim(1) : c.shape(0)[next++]);
  if (out.size() <= 1) pass_contents(c, 0);
  set_tensor(c, 0, dtype, std::move(out));
}

void run_unsqueeze(KernelContext& c) { copy_all(c.output(0), c.input(0)); }

const RegisterOp kUnsqueeze({.name = "Unsqueeze",
                             .inputs = {2, 2},
                             .infer = infer_unsqueeze,
                             .run = run_unsqueeze,
                             .source = "https://onnx.ai/onnx/operators/onnx__Unsqueeze.html"});

}  // namespace
}  // namespace planish
