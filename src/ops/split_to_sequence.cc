// SPDX-License-Identifier: Apache-2.0
// SplitToSequence: a sequence of parts of a tensor along an axis.
#include "ops/sequence.h"
#include "ops/split.h"

namespace planish {
namespace {

void infer_split_to_sequence(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_min_rank(c, 0, 1);
  if (c.has_input(1)) {
    check_tensor(c, 1, is_index_dtype, "int32 or int64");
    if (c.has_rank(1) && c.rank(1) > 1) check_rank(c, 1, 1);
  }
  Type item = Type::tensor(dtype);
  if (c.has_rank(0)) {
    item.shape = c.shape(0);
    const int axis = c.normalize_axis(c.attributes().integer("axis", 0), c.rank(0));
    if (!c.has_input(1) && !flag(c.attributes(), "keepdims", true))
      item.shape->erase(item.shape->begin() + axis);
    else
      (*item.shape)[static_cast<size_t>(axis)] = c.has_input(1) ? c.fresh_dim() : Dim(1);
  }
  c.set_output(0, Type::sequence(std::move(item)));
}

// Sizes of the parts of an axis of `size`.
std::vector<int64_t> sequence_parts(const KernelContext& c, int64_t size) {
  if (c.has_input(1) && c.input(1).rank() == 1) {
    std::vector<int64_t> parts = load<int64_t>(c.input(1));
    int64_t left = size;
    for (int64_t part : parts) {
      if (part < 0 || part > left)
        c.fail(concat("a part of ", part, " does not fit: ", left, " of ", size, " are left"));
      left -= part;
    }
    if (left != 0) c.fail(concat("the parts leave ", left, " of ", size));
    return parts;
  }
  const int64_t chunk = c.has_input(1) ? element<int64_t>(c.input(1), 0) : 1;
  if (chunk <= 0) c.fail(concat("split: expected a positive size, got ", chunk));
  std::vector<int64_t> parts;
  for (int64_t at = 0; at < size; at += parts.back()) parts.push_back(std::min(chunk, size - at));
  return parts;
}

void run_split_to_sequence(KernelContext& c) {
  const Tensor in = spread(c.input(0));
  const int axis = c.normalize_axis(c.attributes().integer("axis", 0), in.rank());
  const bool drop = !c.has_input(1) && !flag(c.attributes(), "keepdims", true);
  Sequence items;
  int64_t at = 0;
  for (int64_t part : sequence_parts(c, in.dim(axis))) {
    Dims dims = in.dims();
    dims[static_cast<size_t>(axis)] = part;
    Tensor item(c.input(0).dtype(), dims);
    fill_spread(item, [&](Tensor& out) { copy_part(out, in, axis, at); });
    at += part;
    if (drop) {
      dims.erase(dims.begin() + axis);
      item = item.reshaped(dims);
    }
    items.emplace_back(std::move(item));
  }
  c.set_output(0, Datum::sequence(std::move(items)));
}

const RegisterOp kSplitToSequence(
    {.name = "SplitToSequence",
     .attributes = {optional("axis", AttrKind::kInt), optional("keepdims", AttrKind::kInt)},
     .inputs = {1, 2},
     .infer = infer_split_to_sequence,
     .run = run_split_to_sequence,
     .source = "https://onnx.ai/onnx/operators/onnx__SplitToSequence.html"});

}  // namespace
}  // namespace planish
