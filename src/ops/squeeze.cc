// SPDX-License-Identifier: Apache-2.0
// Squeeze: dimensions of 1 removed.
#include <algorithm>

#include "base/str.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

// Which dims go; nullopt if that is not known.
std::optional<std::vector<bool>> squeezed_dims(InferContext& c) {
  const Shape& in = c.shape(0);
  std::vector<bool> gone(in.size(), false);
  if (c.has_input(1)) {
    const auto axes = c.integers(1);
    if (!axes) return std::nullopt;
    for (int axis : normalize_axes(c, *axes, c.rank(0))) {
      if (Dim::differs(in[static_cast<size_t>(axis)], Dim(1)))
        c.fail(concat("dimension ", axis, " of ", c.input(0).to_string(), " is not 1"));
      gone[static_cast<size_t>(axis)] = true;
    }
    return gone;
  }
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i] == Dim(1))
      gone[i] = true;
    else if (!Dim::differs(in[i], Dim(1)))
      return std::nullopt;
  }
  return gone;
}

void infer_squeeze(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  if (c.has_input(1)) {
    check_tensor(c, 1, is_i64, "int64");
    check_rank(c, 1, 1);
  }
  if (!c.has_rank(0)) return set_tensor(c, 0, dtype, std::nullopt);
  const auto gone = squeezed_dims(c);
  if (!gone) {
    const auto axes = c.has_input(1) ? known_length(c, 1) : std::nullopt;
    if (axes && *axes > c.rank(0)) c.fail(concat(*axes, " axes for ", c.input(0).to_string()));
    return set_tensor(c, 0, dtype,
                      axes ? std::optional(fresh_shape(c, static_cast<size_t>(c.rank(0) - *axes)))
                           : std::nullopt);
  }
  Shape out;
  for (size_t i = 0; i < gone->size(); ++i)
    if (!(*gone)[i]) out.push_back(c.shape(0)[i]);
  if (out.size() <= 1) pass_contents(c, 0);
  set_tensor(c, 0, dtype, std::move(out));
}

void run_squeeze(KernelContext& c) { copy_all(c.output(0), c.input(0)); }

const RegisterOp kSqueeze({.name = "Squeeze",
                           .inputs = {1, 2},
                           .infer = infer_squeeze,
                           .run = run_squeeze,
                           .source = "https://onnx.ai/onnx/operators/onnx__Squeeze.html"});

}  // namespace
}  // namespace planish
