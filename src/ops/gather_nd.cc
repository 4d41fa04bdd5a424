// SPDX-License-Identifier: Apache-2.0
// GatherND: slices of data chosen by tuples of indices.
#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_gather_nd(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_tensor(c, 1, is_i64, "int64");
  check_min_rank(c, 0, 1);
  check_min_rank(c, 1, 1);
  if (!c.has_rank(0) || !c.has_rank(1)) return set_tensor(c, 0, dtype, std::nullopt);
  const Shape &data = c.shape(0), &indices = c.shape(1);
  const int64_t batch = c.attributes().integer("batch_dims", 0);
  if (batch < 0 || batch >= std::min(c.rank(0), c.rank(1)))
    c.fail(concat("batch_dims is ", batch, ", the ranks are ", c.rank(0), " and ", c.rank(1)));
  Shape out(indices.begin(), indices.end() - 1);
  for (size_t i = 0; i < static_cast<size_t>(batch); ++i)
    out[i] = check_equal(c, data[i], indices[i], concat("batch dimension ", i));
  const auto tuple = indices.back().constant();
  if (!tuple) return set_tensor(c, 0, dtype, std::nullopt);
  if (*tuple < 1 || *tuple > c.rank(0) - batch)
    c.fail(concat("index tuples have ", *tuple, " entries, expected 1 to ", c.rank(0) - batch));
  out.insert(out.end(), data.begin() + batch + *tuple, data.end());
  set_tensor(c, 0, dtype, std::move(out));
}

void run_gather_nd(KernelContext& c) {
  const Tensor in = spread(c.input(0));
  const Tensor& tuples = c.input(1);
  const std::vector<int64_t> indices = load<int64_t>(tuples);
  const auto batch = static_cast<size_t>(c.attributes().integer("batch_dims", 0));
  const auto width = static_cast<size_t>(tuples.dims().back());
  const Dims strides = row_major_strides(in.dims());
  const std::span<const int64_t> dims(in.dims());
  const int64_t run = element_count(dims.subspan(batch + width));
  const int64_t batches = element_count(dims.first(batch));
  const int64_t batch_size = element_count(dims.subspan(batch));
  const auto count = static_cast<int64_t>(width == 0 ? 0 : indices.size() / width);
  fill_spread(c.output(0), [&](Tensor& out) {
    c.require(out.count() == count * run, "the output's size is not the planned one");
    for (int64_t i = 0; i < count; ++i) {
      int64_t from = i / (count / batches) * batch_size;
      for (size_t k = 0; k < width; ++k) {
        const auto axis = static_cast<int>(batch + k);
        from += strides[batch + k] *
                checked_index(c, indices[static_cast<size_t>(i) * width + k], in.dim(axis), axis);
      }
      copy_run(out, i * run, in, from, run);
    }
  });
}

const RegisterOp kGatherND({.name = "GatherND",
                            .attributes = {optional("batch_dims", AttrKind::kInt)},
                            .inputs = {2, 2},
                            .infer = infer_gather_nd,
                            .run = run_gather_nd,
                            .source = "https://onnx.ai/onnx/operators/onnx__GatherND.html"});

}  // namespace
}  // namespace planish
