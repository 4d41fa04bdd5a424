// SPDX-License-Identifier: Apache-2.0
// ConcatFromSequence: the items of a sequence joined along an axis, or stacked along a new one.
#include "ops/sequence.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_concat_from_sequence(InferContext& c) {
  const Type item = check_sequence(c, 0);
  const int64_t wish = c.attributes().integer("axis");
  std::optional<Shape> out = item.shape;
  if (out) {
    const int rank = static_cast<int>(out->size());
    if (flag(c.attributes(), "new_axis", false))
      out->insert(out->begin() + c.normalize_axis(wish, rank + 1), c.fresh_dim());
    else
      (*out)[static_cast<size_t>(c.normalize_axis(wish, rank))] = c.fresh_dim();
  }
  set_tensor(c, 0, item.dtype, std::move(out));
}

void run_concat_from_sequence(KernelContext& c) {
  const Sequence& items = c.datum(0).items();
  c.require(!items.empty(), "the sequence is empty");
  const bool stack = flag(c.attributes(), "new_axis", false);
  const Tensor& first = items[0].tensor();
  const int axis = c.normalize_axis(c.attributes().integer("axis"), first.rank() + (stack ? 1 : 0));
  // The dims of an item with the axis that it is joined along.
  auto item_dims = [&](const Tensor& item) {
    Dims dims = item.dims();
    if (stack) dims.insert(dims.begin() + axis, 1);
    return dims;
  };
  Dims dims = item_dims(first);
  int64_t total = 0;
  for (const Datum& item : items) {
    Dims own = item_dims(item.tensor());
    c.require(item.tensor().dtype() == first.dtype() && own.size() == dims.size(),
              "the items' types differ");
    total += std::exchange(own[static_cast<size_t>(axis)], dims[static_cast<size_t>(axis)]);
    if (own != dims)
      c.fail(concat("items of ", dims_to_string(first.dims()), " and ",
                    dims_to_string(item.tensor().dims()), " do not join along axis ", axis));
  }
  dims[static_cast<size_t>(axis)] = total;
  fill_spread(c.allocate(0, first.dtype(), dims), [&](Tensor& out) {
    View to = row_major_view(dims);
    for (const Datum& item : items) {
      const Dims own = item_dims(item.tensor());
      copy_view(out, to, spread(item.tensor()), row_major_view(own), own);
      to.offset += own[static_cast<size_t>(axis)] * to.strides[static_cast<size_t>(axis)];
    }
  });
}

const RegisterOp kConcatFromSequence(
    {.name = "ConcatFromSequence",
     .attributes = {required("axis", AttrKind::kInt), optional("new_axis", AttrKind::kInt)},
     .infer = infer_concat_from_sequence,
     .run = run_concat_from_sequence,
     .source = "https://onnx.ai/onnx/operators/onnx__ConcatFromSequence.html"});

}  // namespace
}  // namespace planish
