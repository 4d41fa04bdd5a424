// SPDX-License-Identifier: Apache-2.0
// Compress: the entries of an axis (or of the flattened input) where a condition holds.
#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_compress(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_tensor(c, 1, is_bool, "bool");
  check_rank(c, 1, 1);
  check_min_rank(c, 0, 1);
  if (!c.attributes().has("axis")) return set_tensor(c, 0, dtype, fresh_shape(c, 1));
  if (!c.has_rank(0)) return set_tensor(c, 0, dtype, std::nullopt);
  Shape out = c.shape(0);
  out[static_cast<size_t>(c.normalize_axis(c.attributes().integer("axis"), c.rank(0)))] =
      c.fresh_dim();
  set_tensor(c, 0, dtype, std::move(out));
}

void run_compress(KernelContext& c) {
  Tensor in = spread(c.input(0));
  int axis = 0;
  if (c.attributes().has("axis"))
    axis = c.normalize_axis(c.attributes().integer("axis"), in.rank());
  else
    in = in.reshaped({in.count()});
  const std::vector<uint8_t> condition = load<uint8_t>(c.input(1));
  std::vector<int64_t> chosen;
  for (size_t i = 0; i < condition.size(); ++i) {
    if (condition[i] == 0) continue;
    if (static_cast<int64_t>(i) >= in.dim(axis))
      c.fail(concat("the condition holds at ", i, ", the axis has ", in.dim(axis), " entries"));
    chosen.push_back(static_cast<int64_t>(i));
  }
  Dims dims = in.dims();
  dims[static_cast<size_t>(axis)] = static_cast<int64_t>(chosen.size());
  fill_spread(c.allocate(0, c.input(0).dtype(), dims),
              [&](Tensor& out) { take(out, in, axis, chosen); });
}

const RegisterOp kCompress({.name = "Compress",
                            .attributes = {optional("axis", AttrKind::kInt)},
                            .inputs = {2, 2},
                            .infer = infer_compress,
                            .run = run_compress,
                            .source = "https://onnx.ai/onnx/operators/onnx__Compress.html"});

}  // namespace
}  // namespace planish
