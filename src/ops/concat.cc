// SPDX-License-Identifier: Apache-2.0
// Concat: joins tensors along an axis.
#include "base/str.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

// The first input of known rank; -1 if there is none.
int ranked_input(const InferContext& c) {
  for (int i = 0; i < c.input_count(); ++i)
    if (c.has_rank(i)) return i;
  return -1;
}

void concat_contents(InferContext& c) {
  Contents all;
  bool any = false;
  for (int i = 0; i < c.input_count(); ++i) {
    auto known = c.contents(i);
    const auto length = known ? std::optional<int64_t>() : known_length(c, i);
    if (!known && (!length || *length > 1024)) return;
    any |= known.has_value();
    if (!known) known.emplace(static_cast<size_t>(*length));
    all.insert(all.end(), known->begin(), known->end());
    if (all.size() > 1024) return;
  }
  if (any) c.set_contents(0, std::move(all));
}

void infer_concat(InferContext& c) {
  const DType dtype = check_same_dtype(c, 0, c.input_count());
  const int64_t wish = c.attributes().integer("axis");
  const int first = ranked_input(c);
  if (first < 0) return set_tensor(c, 0, dtype, std::nullopt);
  Shape out = c.shape(first);
  const int axis = c.normalize_axis(wish, c.rank(first));
  const auto at = static_cast<size_t>(axis);
  out[at] = 0;
  for (int i = 0; i < c.input_count(); ++i) {
    if (!c.has_rank(i)) {
      out[at] = c.fresh_dim();
      break;
    }
    check_rank(c, i, c.rank(first));
    out[at] = out[at] + c.shape(i)[at];
  }
  for (int i = 0; i < c.input_count(); ++i) {
    if (!c.has_rank(i)) continue;
    check_rank(c, i, c.rank(first));
    for (size_t k = 0; k < out.size(); ++k)
      if (k != at)
        out[k] = check_equal(c, out[k], c.shape(i)[k],
                             concat("dimension ", k, " of inputs ", first, " and ", i));
  }
  if (out.size() == 1) concat_contents(c);
  set_tensor(c, 0, dtype, std::move(out));
}

void run_concat(KernelContext& c) {
  const int axis = c.normalize_axis(c.attributes().integer("axis"), c.input(0).rank());
  fill_spread(c.output(0), [&](Tensor& out) {
    View to = row_major_view(out.dims());
    int64_t at = 0;
    for (int i = 0; i < c.input_count(); ++i) {
      const Tensor in = spread(c.input(i));
      c.require(at + in.dim(axis) <= out.dim(axis), "the inputs are longer than planned");
      to.offset = at * to.strides[static_cast<size_t>(axis)];
      copy_view(out, to, in, row_major_view(in.dims()), in.dims());
      at += in.dim(axis);
    }
  });
}

const RegisterOp kConcat({.name = "Concat",
                          .attributes = {required("axis", AttrKind::kInt)},
                          .inputs = {1, kAnyNumber},
                          .infer = infer_concat,
                          .run = run_concat,
                          .source = "https://onnx.ai/onnx/operators/onnx__Concat.html"});

}  // namespace
}  // namespace planish
