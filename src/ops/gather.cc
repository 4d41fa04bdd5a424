// SPDX-License-Identifier: Apache-2.0
// Gather: entries of an axis chosen by a tensor of indices.
#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void gather_contents(InferContext& c) {
  const auto data = c.contents(0), indices = c.contents(1);
  if (!data || !indices || c.rank(0) != 1 || !c.has_rank(1) || c.rank(1) > 1) return;
  const auto size = static_cast<int64_t>(data->size());
  Contents out;
  for (const auto& item : *indices) {
    const auto index = item ? item->constant() : std::nullopt;
    if (index && (*index < -size || *index >= size))
      c.fail(concat("index ", *index, " is outside of axis 0 of size ", size),
             ErrorCode::kInvalidValue);
    out.push_back(index ? (*data)[static_cast<size_t>(*index < 0 ? *index + size : *index)]
                        : std::nullopt);
  }
  c.set_contents(0, std::move(out));
}

void infer_gather(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_tensor(c, 1, is_index_dtype, "int32 or int64");
  check_min_rank(c, 0, 1);
  const int64_t wish = c.attributes().integer("axis", 0);
  const auto axis = static_cast<size_t>(c.has_rank(0) ? c.normalize_axis(wish, c.rank(0)) : 0);
  if (!c.has_rank(0) || !c.has_rank(1)) return set_tensor(c, 0, dtype, std::nullopt);
  Shape out = c.shape(0);
  out.erase(out.begin() + static_cast<int64_t>(axis));
  out.insert(out.begin() + static_cast<int64_t>(axis), c.shape(1).begin(), c.shape(1).end());
  gather_contents(c);
  set_tensor(c, 0, dtype, std::move(out));
}

void run_gather(KernelContext& c) {
  const Tensor in = spread(c.input(0));
  const int axis = c.normalize_axis(c.attributes().integer("axis", 0), in.rank());
  const std::vector<int64_t> indices = checked_indices(c, c.input(1), in.dim(axis), axis);
  fill_spread(c.output(0), [&](Tensor& out) { take(out, in, axis, indices); });
}

const RegisterOp kGather({.name = "Gather",
                          .attributes = {optional("axis", AttrKind::kInt)},
                          .inputs = {2, 2},
                          .infer = infer_gather,
                          .run = run_gather,
                          .source = "https://onnx.ai/onnx/operators/onnx__Gather.html"});

}  // namespace
}  // namespace planish
