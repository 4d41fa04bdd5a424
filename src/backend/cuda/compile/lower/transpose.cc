// SPDX-License-Identifier: Apache-2.0
// Transposes that exchange two axes, through tiles of shared memory (kernels/transpose.cuh).
#include <algorithm>
#include <numeric>

#include "backend/cuda/compile/axes.h"
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/lowering.h"
#include "base/str.h"

namespace planish::cuda {
namespace {

constexpr size_t kMaxBatchAxes = 4;
constexpr int64_t kFewChannels = 8;

struct Exchange {
  std::vector<Dim> batch_dims, batch_x, batch_y;
  Dim rows, columns;  // x: row * x_row + column; y: column * y_row + row
  Dim x_row, y_row;
};

// Merged axes of the output with their strides in x and y. Exactly one axis is contiguous in each.
std::optional<Exchange> exchange_of(const ir::Node& node) {
  const Shape& in = shape_of(node.input(0));
  const Shape& out = shape_of(node.output());
  std::vector<int64_t> perm(in.size());
  std::iota(perm.rbegin(), perm.rend(), 0);
  perm = node.attributes().integers("perm", perm);
  const std::vector<Dim> dense = dense_strides(in);
  std::vector<Dim> strides;
  for (int64_t axis : perm) strides.push_back(dense[static_cast<size_t>(axis)]);
  const Axes axes = merge_axes(out, {strides, dense_strides(out)});
  Exchange e;
  bool has_row = false, has_column = false;
  for (size_t i = 0; i < axes.dims.size(); ++i) {
    const Dim& x = axes.strides[0][i];
    const Dim& y = axes.strides[1][i];
    if (i + 1 == axes.dims.size()) {
      if (x == Dim(1)) return std::nullopt;  // rows stay: a copy of runs
      e.rows = axes.dims[i];
      e.x_row = x;
      has_row = true;
    } else if (x == Dim(1)) {
      e.columns = axes.dims[i];
      e.y_row = y;
      has_column = true;
    } else {
      e.batch_dims.push_back(axes.dims[i]);
      e.batch_x.push_back(x);
      e.batch_y.push_back(y);
    }
  }
  if (!has_row || !has_column || e.batch_dims.size() > kMaxBatchAxes) return std::nullopt;
  return e;
}

std::optional<ref::StepChoice> lower_exchange(const ir::Node& node, Lowering& lowering) {
  const ir::Value* x = node.input(0);
  if (x == nullptr || !x->type().has_rank() || element_name(x->type().dtype).empty())
    return std::nullopt;
  const auto e = exchange_of(node);
  if (!e || e->rows.range().max > INT32_MAX || e->columns.range().max > INT32_MAX)
    return std::nullopt;
  const DType type = x->type().dtype;
  // A tile would be mostly empty; the strided copy reads what neighbours share from the cache.
  if (e->rows.is_constant() && e->rows.value() <= kFewChannels) return std::nullopt;
  StepBuilder step(lowering);
  const std::string element = concat("planish::", element_name(type));
  Launch launch(
      concat("#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"transpose.cuh\"\n"
             "struct Config {\n  using Input = ",
             element, ";\n  using Output = ", element, ";\n  static constexpr int kBatchAxes = ",
             e->batch_dims.size(), ", kChannels = 1, kPadded = 1",
             ";\n};\nextern \"C\" PLANISH_KERNEL(256, 1) void "
             "entry(PLANISH_PARAMS(planish::TransposeParams) p) {\n  "
             "planish::transpose_kernel<Config>(p);\n}\n"));
  launch.in(step.input(x)).out(0).i64_dim(step.dim(e->x_row)).i64_dim(step.dim(e->y_row));
  for (const auto* list : {&e->batch_dims, &e->batch_x, &e->batch_y})
    for (size_t i = 0; i < kMaxBatchAxes; ++i)
      launch.i64_dim(step.dim(i < list->size() ? (*list)[i] : Dim(list == &e->batch_dims ? 1 : 0)));
  const Dim batches = product(e->batch_dims);
  launch.i64_dim(step.dim(batches)).i32_dim(step.dim(e->rows)).i32_dim(step.dim(e->columns));
  launch.grid(step.dim(e->columns.ceil_div(32) * e->rows.ceil_div(32)), -1,
              step.dim(Dim::min(batches, 65535)));
  launch.threads(256).shared(int64_t{32} * 33 * (dtype_bits(type) / 8)).overlaps();
  step.add(std::move(launch));
  return step.finish("through tiles of shared memory");
}

const RegisterLowering kTranspose("Transpose", lower_exchange, 1);

}  // namespace
}  // namespace planish::cuda
