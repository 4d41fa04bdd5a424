// SPDX-License-Identifier: Apache-2.0
// NonZero: the indices of elements that are not zero, one row for each axis.
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_non_zero(InferContext& c) {
  check_tensor(c, 0);
  const Dim rows = c.has_rank(0) ? Dim(c.rank(0)) : c.fresh_dim();
  set_tensor(c, 0, DType::kI64, Shape{rows, c.fresh_dim()});
}

// Whether each element differs from zero (a string: from the empty one).
std::vector<uint8_t> non_zero_mask(const Tensor& in) {
  std::vector<uint8_t> mask(static_cast<size_t>(in.count()));
  if (in.dtype() == DType::kString) {
    for (size_t i = 0; i < mask.size(); ++i) mask[i] = !in.string_values()[i].empty();
  } else {
    with_exact_type(in.dtype(), [&]<class T>(T) {
      const std::vector<T> values = load<T>(in);
      for (size_t i = 0; i < mask.size(); ++i) mask[i] = values[i] != T{};
    });
  }
  return mask;
}

void run_non_zero(KernelContext& c) {
  const Tensor& in = c.input(0);
  const std::vector<uint8_t> mask = non_zero_mask(in);
  std::vector<int64_t> places;
  for (size_t i = 0; i < mask.size(); ++i)
    if (mask[i] != 0) places.push_back(static_cast<int64_t>(i));
  const auto count = static_cast<int64_t>(places.size());
  auto* out = c.allocate(0, DType::kI64, {in.rank(), count}).as<int64_t>();
  const Dims strides = row_major_strides(in.dims());
  for (size_t axis = 0; axis < strides.size(); ++axis)
    for (int64_t place : places) *out++ = place / strides[axis] % in.dims()[axis];
}

const RegisterOp kNonZero({.name = "NonZero",
                           .infer = infer_non_zero,
                           .run = run_non_zero,
                           .source = "https://onnx.ai/onnx/operators/onnx__NonZero.html"});

}  // namespace
}  // namespace planish
