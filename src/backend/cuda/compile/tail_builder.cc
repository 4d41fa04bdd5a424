// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/tail_builder.h"

#include "backend/cuda/compile/expression_writer.h"
#include "base/str.h"

namespace planish::cuda {
namespace {

constexpr size_t kMaxTailOperands = 8;  // of kernels/tail.cuh

// The stride of an operand along the axes [first, end) of the output taken as one: 0 where all are
// broadcast, the innermost's where all move. nullopt: neither.
std::optional<Dim> group_stride(const Shape& operand, const Shape& output, size_t first,
                                size_t end) {
  const size_t shift = output.size() - operand.size();
  bool moves = true, stays = true;
  for (size_t axis = first; axis < end; ++axis) {
    if (output[axis] == Dim(1)) continue;
    const Dim dim = axis < shift ? Dim(1) : operand[axis - shift];
    moves = moves && dim == output[axis];
    stays = stays && dim == Dim(1);
  }
  if (stays) return Dim(0);
  if (!moves) return std::nullopt;
  return product(operand, end > shift ? end - shift : 0, operand.size());
}

}  // namespace

void Tail::add_fields(StepBuilder& step, Launch& launch) const {
  for (size_t i = 0; i < kMaxTailOperands; ++i) {
    if (i >= operands.size()) {
      launch.i64(0).i64(0).i64(0).i64(0);
      continue;
    }
    const Operand& o = operands[i];
    launch.in(step.input(o.value)).i64_dim(step.dim(o.batch_stride));
    launch.i64_dim(step.dim(o.row_stride)).i64_dim(step.dim(o.column_stride));
  }
}

void add_no_tail(Launch& launch) {
  for (size_t i = 0; i < 4 * kMaxTailOperands; ++i) launch.i64(0);
}

std::optional<Tail> build_tail(const ir::Node& node, const ir::Value* bias,
                               const TailShape& shape) {
  Tail tail;
  const TailFunctor functor = write_tail(node, root_of(node), bias);
  if (functor.is_empty) {
    tail.name = "planish::NoTail";
    return tail;
  }
  if (functor.operands.size() > kMaxTailOperands) return std::nullopt;
  tail.name = "planish::pointwise::Tail";
  tail.text = concat(
      "namespace planish::pointwise {\nstruct Tail {\n"
      "  static constexpr int kOperands = ",
      functor.operands.size(), ";\n");
  for (size_t i = 0; i < functor.operands.size(); ++i) {
    const ir::Value* v = functor.operands[i];
    const Shape& dims = shape_of(v);
    if (dims.size() > shape.shape.size()) return std::nullopt;
    const auto batch = group_stride(dims, shape.shape, 0, shape.row);
    const auto row = group_stride(dims, shape.shape, shape.row, shape.column);
    const auto column = group_stride(dims, shape.shape, shape.column, shape.shape.size());
    if (!batch || !row || !column) return std::nullopt;
    tail.operands.push_back({outer_value(node, v), *batch, *row, *column});
    const bool is_column = *batch == Dim(0) && *row == Dim(0) && *column == Dim(1);
    const bool is_dense = dims == shape.shape;
    tail.text +=
        concat("  using Operand", i, " = ", element_name(v->type().dtype),
               ";\n  static constexpr bool kColumn", i, " = ", is_column ? "true" : "false",
               ";\n  static constexpr bool kDense", i, " = ", is_dense ? "true" : "false", ";\n");
  }
  tail.text += concat("  static PLANISH_DEVICE float apply(float x, const float* in) {\n",
                      functor.text, "  }\n};\n}  // namespace planish::pointwise\n");
  return tail;
}

}  // namespace planish::cuda
