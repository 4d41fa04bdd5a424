// SPDX-License-Identifier: Apache-2.0
// ScatterND: out = data; slices of it, named by tuples of indices, become the updates.
#include "ops/scatter.h"
#include "ops/shape_rules.h"

namespace planish {
namespace {

void check_update_shape(InferContext& c, int64_t width) {
  const Shape &data = c.shape(0), &indices = c.shape(1), &updates = c.shape(2);
  Shape expected(indices.begin(), indices.end() - 1);
  expected.insert(expected.end(), data.begin() + width, data.end());
  if (expected.size() != updates.size())
    c.fail(concat("updates: expected shape ", to_string(expected), ", got ", to_string(updates)));
  for (size_t i = 0; i < expected.size(); ++i) {
    if (Dim::differs(expected[i], updates[i]))
      c.fail(concat("updates: expected shape ", to_string(expected), ", got ", to_string(updates)));
  }
}

void infer_scatter_nd(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_tensor(c, 1, is_i64, "int64");
  check_tensor(c, 2);
  if (dtype != DType::kUndefined && c.dtype(2) != DType::kUndefined && c.dtype(2) != dtype)
    c.fail(concat("updates: expected ", dtype_name(dtype), ", got ", dtype_name(c.dtype(2))),
           ErrorCode::kInvalidType);
  check_combine(c, dtype);
  check_min_rank(c, 0, 1);
  check_min_rank(c, 1, 1);
  if (c.has_rank(0) && c.has_rank(1)) {
    const auto width = c.shape(1).back().constant();
    if (width && (*width < 0 || *width > c.rank(0)))
      c.fail(concat("index tuples have ", *width, " entries, the data has rank ", c.rank(0)));
    if (width && c.has_rank(2)) check_update_shape(c, *width);
  }
  set_like(c, 0, 0);
}

void run_scatter_nd(KernelContext& c) {
  const Tensor &data = c.input(0), &tuples = c.input(1);
  const std::vector<int64_t> indices = load<int64_t>(tuples);
  const auto width = static_cast<size_t>(tuples.dims().back());
  const Dims strides = row_major_strides(data.dims());
  const std::span<const int64_t> dims(data.dims());
  const int64_t run = element_count(dims.subspan(width));
  const int64_t count =
      element_count(std::span<const int64_t>(tuples.dims()).first(tuples.dims().size() - 1));
  c.require(c.input(2).count() == count * run, "the updates are not as many as the indices name");
  scatter(c.output(0), data, c.input(2), combine_attribute(c), count, run, [&](int64_t i) {
    int64_t to = 0;
    for (size_t k = 0; k < width; ++k)
      to += strides[k] * checked_index(c, indices[static_cast<size_t>(i) * width + k], dims[k],
                                       static_cast<int>(k));
    return to;
  });
}

const RegisterOp kScatterND({.name = "ScatterND",
                             .attributes = {optional("reduction", AttrKind::kString)},
                             .inputs = {3, 3},
                             .infer = infer_scatter_nd,
                             .run = run_scatter_nd,
                             .source = "https://onnx.ai/onnx/operators/onnx__ScatterND.html"});

}  // namespace
}  // namespace planish
