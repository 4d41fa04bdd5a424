// SPDX-License-Identifier: Apache-2.0
// ScatterElements: out = data; out[indices[i][j]][j] = updates[i][j], the axis being any.
#include "ops/scatter.h"
#include "ops/shape_rules.h"

namespace planish {
namespace {

void infer_scatter_elements(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_tensor(c, 1, is_index_dtype, "int32 or int64");
  check_tensor(c, 2);
  if (dtype != DType::kUndefined && c.dtype(2) != DType::kUndefined && c.dtype(2) != dtype)
    c.fail(concat("updates: expected ", dtype_name(dtype), ", got ", dtype_name(c.dtype(2))),
           ErrorCode::kInvalidType);
  check_combine(c, dtype);
  check_min_rank(c, 0, 1);
  if (c.has_rank(1) && c.has_rank(2)) {
    check_rank(c, 2, c.rank(1));
    for (size_t i = 0; i < c.shape(1).size(); ++i)
      check_equal(c, c.shape(1)[i], c.shape(2)[i],
                  concat("dimension ", i, " of indices and updates"));
  }
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
  set_like(c, 0, 0);
}

void run_scatter_elements(KernelContext& c) {
  const Tensor &data = c.input(0), &updates = c.input(2);
  const int axis = c.normalize_axis(c.attributes().integer("axis", 0), data.rank());
  const std::vector<int64_t> indices = checked_indices(c, c.input(1), data.dim(axis), axis);
  View base = row_major_view(data.dims());
  const int64_t stride = std::exchange(base.strides[static_cast<size_t>(axis)], 0);
  // scatter asks for the places in order.
  Walk walk(c.input(1).dims(), {base});
  scatter(c.output(0), data, updates, combine_attribute(c), updates.count(), 1, [&](int64_t i) {
    if (i > 0) walk.next();
    return walk[0] + indices[static_cast<size_t>(i)] * stride;
  });
}

const RegisterOp kScatterElements(
    {.name = "ScatterElements",
     .attributes = {optional("axis", AttrKind::kInt), optional("reduction", AttrKind::kString)},
     .inputs = {3, 3},
     .infer = infer_scatter_elements,
     .run = run_scatter_elements,
     .source = "https://onnx.ai/onnx/operators/onnx__ScatterElements.html"});

}  // namespace
}  // namespace planish
