// SPDX-License-Identifier: Apache-2.0
// TensorScatter: writes an update into a cache along its sequence axis, from a place that each
// sample of the batch has of its own.
#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

bool is_circular(const InferContext& c) {
  const std::string mode = c.attributes().text("mode", "linear");
  if (mode != "linear" && mode != "circular")
    c.fail(concat("mode: expected linear or circular, got \"", mode, "\""),
           ErrorCode::kInvalidModel);
  return mode == "circular";
}

void infer_tensor_scatter(InferContext& c) {
  check_same_dtype(c, 0, 2);
  is_circular(c);
  check_min_rank(c, 0, 2);
  if (c.has_input(2)) {
    check_tensor(c, 2, is_i64, "int64");
    check_rank(c, 2, 1);
  }
  if (c.has_rank(0)) {
    const int axis = c.normalize_axis(c.attributes().integer("axis", -2), c.rank(0));
    if (axis == 0) c.fail("axis: the batch is no sequence");
    if (c.has_rank(1)) {
      check_rank(c, 1, c.rank(0));
      for (int i = 0; i < c.rank(0); ++i) {
        const Dim &cache = c.shape(0)[static_cast<size_t>(i)],
                  &update = c.shape(1)[static_cast<size_t>(i)];
        if (i != axis)
          check_equal(c, cache, update, concat("dimension ", i, " of cache and update"));
        else if ((update - cache).range().min > 0)
          c.fail(concat("the update is longer (", update.to_string(), ") than the cache (",
                        cache.to_string(), ")"));
      }
    }
    if (c.has_rank(2))
      check_equal(c, c.shape(0)[0], c.shape(2)[0], "batch of cache and write_indices");
  }
  set_like(c, 0, 0);
}

void run_tensor_scatter(KernelContext& c) {
  const Tensor update = spread(c.input(1));
  const Tensor& cache = c.input(0);
  const int axis = c.normalize_axis(c.attributes().integer("axis", -2), cache.rank());
  const bool circular = c.attributes().text("mode", "linear") == "circular";
  const int64_t slots = cache.dim(axis), length = update.dim(axis),
                inner = inner_count(cache.dims(), axis);
  std::vector<int64_t> starts(static_cast<size_t>(cache.dim(0)), 0);
  if (c.has_input(2)) starts = load<int64_t>(c.input(2));
  c.require(static_cast<int64_t>(starts.size()) == cache.dim(0),
            "write_indices is not one for each sample");
  for (int64_t& start : starts) {
    if (start < 0 || (!circular && start > slots - length))
      c.fail(concat("write index ", start, " with an update of ", length, " leaves a cache of ",
                    slots));
    if (circular && slots > 0) start %= slots;
  }
  const int64_t outer = outer_count(cache.dims(), axis);
  fill_spread(c.output(0), [&](Tensor& out) {
    copy_all(out, spread(cache));
    if (length == 0 || cache.count() == 0) return;
    for (int64_t row = 0; row < outer; ++row) {
      const int64_t start = starts[static_cast<size_t>(row / (outer / cache.dim(0)))];
      for (int64_t i = 0; i < length; ++i)
        copy_run(out, (row * slots + (start + i) % slots) * inner, update,
                 (row * length + i) * inner, inner);
    }
  });
}

const RegisterOp kTensorScatter(
    {.name = "TensorScatter",
     .attributes = {optional("axis", AttrKind::kInt), optional("mode", AttrKind::kString)},
     .inputs = {2, 3},
     .infer = infer_tensor_scatter,
     .run = run_tensor_scatter,
     .source = "https://onnx.ai/onnx/operators/onnx__TensorScatter.html"});

}  // namespace
}  // namespace planish
