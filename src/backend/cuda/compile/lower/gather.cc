// SPDX-License-Identifier: Apache-2.0
// Gather, GatherElements, GatherND (kernels/gather.cuh).
#include "backend/cuda/compile/axes.h"
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/lowering.h"
#include "backend/cuda/compile/mma_choice.h"
#include "base/str.h"

namespace planish::cuda {
namespace {

constexpr size_t kMaxAxes = 8;
constexpr int kThreads = 256;

bool are_gathered(const ir::Node& node) {
  return is_movable(node.input(0)) && is_tensor(node.input(1), {DType::kI32, DType::kI64});
}

Launch gather_launch(const ir::Node& node, const std::string& kernel, int vector, size_t rank) {
  return Launch(kernel_source(
      "gather.cuh",
      concat("  using Element = planish::", mover_name(node.input(0)->type().dtype),
             ";\n  using Index = ", element_text(node.input(1)),
             ";\n  static constexpr int kVector = ", vector, ", kRank = ", rank, ";\n"),
      kThreads, "GatherParams", kernel));
}

struct Sizes {
  Dim outer, count, inner, axis, x_outer;
  std::vector<Dim> dims, strides;
  Dim x_axis = 0;
};

std::optional<ref::StepChoice> finish_gather(StepBuilder& step, const ir::Node& node, Launch launch,
                                             const Sizes& s, int vector) {
  launch.in(step.input(node.input(0))).in(step.input(node.input(1))).out(0).fault();
  for (const Dim& d : {s.outer, s.count, s.inner, s.axis, s.x_outer}) launch.i64_dim(step.dim(d));
  for (const auto* list : {&s.dims, &s.strides})
    for (size_t i = 0; i < kMaxAxes; ++i)
      launch.i64_dim(step.dim(i < list->size() ? (*list)[i] : Dim(0)));
  launch.i64_dim(step.dim(s.x_axis));
  const Dim elements = s.outer * s.count * s.inner;
  launch.grid(step.dim(elements.ceil_div(int64_t{kThreads} * vector))).threads(kThreads).overlaps();
  step.add(std::move(launch));
  return step.finish("moves runs by index");
}

std::optional<ref::StepChoice> lower_gather(const ir::Node& node, Lowering& lowering) {
  if (!are_gathered(node)) return std::nullopt;
  const Shape& shape = shape_of(node.input(0));
  const size_t axis = normal_axis(node.attributes().integer("axis", 0), shape.size());
  const Dim inner = product(shape, axis + 1, shape.size());
  const Sizes sizes{.outer = product(shape, 0, axis),
                    .count = product(shape_of(node.input(1))),
                    .inner = inner,
                    .axis = shape[axis],
                    .x_outer = shape[axis] * inner,
                    .dims = {},
                    .strides = {}};
  const int vector = vector_of(node.input(0)->type().dtype, {inner});
  StepBuilder step(lowering);
  return finish_gather(step, node, gather_launch(node, "gather", vector, 1), sizes, vector);
}

std::optional<ref::StepChoice> lower_gather_elements(const ir::Node& node, Lowering& lowering) {
  if (!are_gathered(node)) return std::nullopt;
  const Shape& shape = shape_of(node.input(0));
  const Shape& index = shape_of(node.input(1));
  if (shape.size() > kMaxAxes) return std::nullopt;
  const size_t axis = normal_axis(node.attributes().integer("axis", 0), shape.size());
  // Only the portable kernel tells an index that has more lines than the data.
  for (size_t i = 0; i < shape.size(); ++i)
    if (i != axis && (index[i] - shape[i]).range().max > 0) return std::nullopt;
  Sizes sizes{.outer = 1,
              .count = product(index),
              .inner = 1,
              .axis = shape[axis],
              .x_outer = 0,
              .dims = index,
              .strides = dense_strides(shape)};
  sizes.x_axis = std::exchange(sizes.strides[axis], Dim(0));
  StepBuilder step(lowering);
  return finish_gather(step, node, gather_launch(node, "gather_elements", 1, index.size()), sizes,
                       1);
}

std::optional<ref::StepChoice> lower_gather_nd(const ir::Node& node, Lowering& lowering) {
  if (!are_gathered(node)) return std::nullopt;
  const Shape& shape = shape_of(node.input(0));
  const Shape& index = shape_of(node.input(1));
  const auto batch = static_cast<size_t>(node.attributes().integer("batch_dims", 0));
  if (!index.back().is_constant()) return std::nullopt;
  const auto width = static_cast<size_t>(index.back().value());
  if (width > kMaxAxes) return std::nullopt;
  for (size_t i = 0; i < batch; ++i)
    if (!(index[i] == shape[i])) return std::nullopt;
  const std::vector<Dim> dense = dense_strides(shape);
  const auto first = static_cast<std::ptrdiff_t>(batch);
  const auto end = static_cast<std::ptrdiff_t>(batch + width);
  const Dim inner = product(shape, batch + width, shape.size());
  const Sizes sizes{.outer = product(shape, 0, batch),
                    .count = product(index, batch, index.size() - 1),
                    .inner = inner,
                    .axis = 0,
                    .x_outer = product(shape, batch, shape.size()),
                    .dims = {shape.begin() + first, shape.begin() + end},
                    .strides = {dense.begin() + first, dense.begin() + end}};
  const int vector = vector_of(node.input(0)->type().dtype, {inner});
  StepBuilder step(lowering);
  return finish_gather(step, node, gather_launch(node, "gather_nd", vector, width), sizes, vector);
}

const RegisterLowering kGather("Gather", lower_gather);
const RegisterLowering kGatherElements("GatherElements", lower_gather_elements);
const RegisterLowering kGatherND("GatherND", lower_gather_nd);

}  // namespace
}  // namespace planish::cuda
