// SPDX-License-Identifier: Apache-2.0
// Trilu and OneHot (kernels/fill.cuh).
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/lowering.h"
#include "base/str.h"
#include "passes/rewrite.h"

namespace planish::cuda {
namespace {

constexpr int kThreads = 256;

std::optional<ref::StepChoice> finish_fill(StepBuilder& step, Launch launch, const Dim& size) {
  launch.grid(step.dim(size.ceil_div(kThreads))).threads(kThreads).overlaps();
  step.add(std::move(launch));
  return step.finish("one pass over memory");
}

std::optional<ref::StepChoice> lower_trilu(const ir::Node& node, Lowering& lowering) {
  const ir::Value* x = node.input(0);
  if (!is_movable(x)) return std::nullopt;
  int64_t diagonal = 0;
  if (node.input(1) != nullptr) {
    const auto given = passes::constant_integers(node.input(1));
    if (!given || given->size() != 1) return std::nullopt;
    diagonal = (*given)[0];
  }
  const Shape& shape = shape_of(x);
  const bool upper = node.attributes().integer("upper", 1) != 0;
  StepBuilder step(lowering);
  Launch launch(
      kernel_source("fill.cuh",
                    concat("  using Element = planish::", mover_name(x->type().dtype),
                           ";\n  static constexpr bool kUpper = ", upper ? "true" : "false", ";\n"),
                    kThreads, "TriluParams", "trilu"));
  const Dim size = product(shape);
  launch.in(step.input(x)).out(0).i64_dim(step.dim(size));
  launch.i64_dim(step.dim(shape[shape.size() - 2])).i64_dim(step.dim(shape.back())).i64(diagonal);
  return finish_fill(step, std::move(launch), size);
}

std::optional<ref::StepChoice> lower_one_hot(const ir::Node& node, Lowering& lowering) {
  const ir::Value* index = node.input(0);
  const ir::Value* values = node.input(2);
  if (!is_tensor(index, {DType::kI64, DType::kI32, DType::kI16, DType::kI8, DType::kU8, DType::kU16,
                         DType::kU32, DType::kF32}) ||
      !is_movable(values))
    return std::nullopt;
  const Shape& shape = shape_of(node.output());
  const size_t axis = normal_axis(node.attributes().integer("axis", -1), shape.size());
  StepBuilder step(lowering);
  Launch launch(
      kernel_source("fill.cuh",
                    concat("  using Element = planish::", mover_name(values->type().dtype),
                           ";\n  using Index = ", element_text(index), ";\n"),
                    kThreads, "OneHotParams", "one_hot"));
  const Dim size = product(shape);
  launch.in(step.input(index)).in(step.input(values)).out(0).i64_dim(step.dim(size));
  launch.i64_dim(step.dim(shape[axis]));
  launch.i64_dim(step.dim(product(shape, axis + 1, shape.size())));
  return finish_fill(step, std::move(launch), size);
}

const RegisterLowering kTrilu("Trilu", lower_trilu);
const RegisterLowering kOneHot("OneHot", lower_one_hot);

}  // namespace
}  // namespace planish::cuda
