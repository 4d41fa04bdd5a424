// SPDX-License-Identifier: Apache-2.0
// Expand: the input broadcast to (its own shape broadcast with) a given shape.
#include <algorithm>

#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_expand(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_tensor(c, 1, is_i64, "int64");
  check_rank(c, 1, 1);
  auto wish = c.contents(1);
  const auto length = known_length(c, 1);
  if (!wish && length && *length <= 1024) wish.emplace(static_cast<size_t>(*length));
  if (!wish || !c.has_rank(0)) return set_tensor(c, 0, dtype, std::nullopt);
  Shape target;
  for (auto& item : *wish) {
    // A dim that may be negative is not one that the algebra of sizes holds for.
    if (item) check_size(c, *item, "a dimension of the shape");
    target.push_back(item && item->range().min >= 0 ? *item : c.fresh_dim());
  }
  Shape out = broadcast_shapes(c, c.shape(0), target);
  if (out.size() == 1 && out[0].is_constant() && out[0].value() <= 1024) {
    if (auto known = c.contents(0)) {
      if (known->size() == 1) known->assign(static_cast<size_t>(out[0].value()), (*known)[0]);
      c.set_contents(0, std::move(*known));
    }
  } else if (out.empty()) {
    pass_contents(c, 0);
  }
  set_tensor(c, 0, dtype, std::move(out));
}

void run_expand(KernelContext& c) {
  const Tensor in = spread(c.input(0));
  const Dims& dims = c.output(0).dims();
  c.require(in.rank() <= c.output(0).rank(), "the input's rank is above the output's");
  const Dims strides = row_major_strides(in.dims());
  View from{0, Dims(dims.size(), 0)};
  for (size_t i = 0; i < strides.size(); ++i) {
    const size_t k = dims.size() - strides.size() + i;
    if (in.dims()[i] != dims[k] && in.dims()[i] != 1)
      c.fail(concat("the input ", dims_to_string(in.dims()), " does not expand to ",
                    dims_to_string(dims)));
    if (in.dims()[i] != 1) from.strides[k] = strides[i];
  }
  fill_spread(c.output(0),
              [&](Tensor& out) { copy_view(out, row_major_view(dims), in, from, dims); });
}

const RegisterOp kExpand({.name = "Expand",
                          .inputs = {2, 2},
                          .infer = infer_expand,
                          .run = run_expand,
                          .source = "https://onnx.ai/onnx/operators/onnx__Expand.html"});

}  // namespace
}  // namespace planish
