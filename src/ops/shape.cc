// SPDX-License-Identifier: Apache-2.0
// Shape, Size: a tensor's dimensions, and their product, as int64.
#include <algorithm>

#include "ops/shape_rules.h"

namespace planish {
namespace {

// [first, last) of the dims that attributes start and end choose.
std::pair<int64_t, int64_t> chosen_dims(const Attributes& attributes, int64_t rank) {
  auto clamped = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
  const int64_t first = clamped(attributes.integer("start", 0));
  const int64_t last = clamped(attributes.integer("end", rank));
  return {first, std::max(first, last)};
}

void infer_shape(InferContext& c) {
  check_tensor(c, 0);
  if (!c.has_rank(0)) return set_tensor(c, 0, DType::kI64, fresh_shape(c, 1));
  const auto [first, last] = chosen_dims(c.attributes(), c.rank(0));
  c.set_contents(0, Contents(c.shape(0).begin() + first, c.shape(0).begin() + last));
  set_tensor(c, 0, DType::kI64, Shape{last - first});
}

void run_shape(KernelContext& c) {
  const Dims& dims = c.input(0).dims();
  const auto [first, last] = chosen_dims(c.attributes(), c.input(0).rank());
  c.require(c.output(0).count() == last - first, "the rank differs from the planned one");
  std::copy(dims.begin() + first, dims.begin() + last, c.output(0).as<int64_t>());
}

void infer_size(InferContext& c) {
  check_tensor(c, 0);
  if (c.has_rank(0)) c.set_contents(0, {product(c.shape(0))});
  set_tensor(c, 0, DType::kI64, Shape{});
}

void run_size(KernelContext& c) { *c.output(0).as<int64_t>() = c.input(0).count(); }

const RegisterOp kShape({.name = "Shape",
                         .attributes = {optional("start", AttrKind::kInt),
                                        optional("end", AttrKind::kInt)},
                         .infer = infer_shape,
                         .run = run_shape,
                         .source = "https://onnx.ai/onnx/operators/onnx__Shape.html"});
const RegisterOp kSize({.name = "Size",
                        .infer = infer_size,
                        .run = run_size,
                        .source = "https://onnx.ai/onnx/operators/onnx__Size.html"});

}  // namespace
}  // namespace planish
