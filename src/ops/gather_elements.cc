// SPDX-License-Identifier: Apache-2.0
// GatherElements: out[i][j] = data[indices[i][j]][j], the axis being any.
#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_gather_elements(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_tensor(c, 1, is_index_dtype, "int32 or int64");
  check_min_rank(c, 0, 1);
  if (c.has_rank(0) && c.has_rank(1)) {
    check_rank(c, 1, c.rank(0));
    const int axis = c.normalize_axis(c.attributes().integer("axis", 0), c.rank(0));
    for (int i = 0; i < c.rank(0); ++i) {
      const Dim &have = c.shape(0)[static_cast<size_t>(i)],
                &want = c.shape(1)[static_cast<size_t>(i)];
      if (i != axis && (want - have).range().min > 0)
        c.fail(concat("dimension ", i, " of the indices is ", want.to_string(), ", of the data ",
                      have.to_string()));
    }
  }
  Type out = c.input(1);
  out.kind = Type::Kind::kTensor;
  out.dtype = dtype;
  c.set_output(0, std::move(out));
}

void run_gather_elements(KernelContext& c) {
  const Tensor in = spread(c.input(0));
  const int axis = c.normalize_axis(c.attributes().integer("axis", 0), in.rank());
  const std::vector<int64_t> indices = checked_indices(c, c.input(1), in.dim(axis), axis);
  View base = row_major_view(in.dims());
  const int64_t stride = std::exchange(base.strides[static_cast<size_t>(axis)], 0);
  fill_spread(c.output(0), [&](Tensor& out) {
    int64_t at = 0;
    for (Walk walk(out.dims(), {base}); !walk.done(); walk.next(), ++at)
      copy_run(out, at, in, walk[0] + indices[static_cast<size_t>(at)] * stride, 1);
  });
}

const RegisterOp kGatherElements(
    {.name = "GatherElements",
     .attributes = {optional("axis", AttrKind::kInt)},
     .inputs = {2, 2},
     .infer = infer_gather_elements,
     .run = run_gather_elements,
     .source = "https://onnx.ai/onnx/operators/onnx__GatherElements.html"});

}  // namespace
}  // namespace planish
