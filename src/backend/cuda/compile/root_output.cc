// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/root_output.h"

#include <utility>

#include "backend/cuda/compile/axes.h"
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/pointwise_launch.h"
#include "base/str.h"

namespace planish::cuda {

RootOutput::RootOutput(const ir::Node& node, const ir::Value* bias, const TailShape& shape,
                       StepBuilder& step, bool has_tails)
    : node_(node), root_(root_of(node)) {
  step.rounds_to(node.output()->type().dtype);
  std::optional<Tail> whole;
  if (has_tails || &root_ == &node_) whole = build_tail(node, bias, shape);
  if (whole && (has_tails || whole->text.empty())) {
    tail_ = std::move(*whole);
    return;
  }
  is_apart_ = true;
  // The bias stays in the kernel; what the body adds comes after.
  std::optional<Tail> own = build_tail(root_, bias, shape);
  is_possible_ = own && (has_tails || own->text.empty());
  if (!is_possible_) return;
  for (Tail::Operand& o : own->operands) o.value = outer_value(node, o.value);
  tail_ = std::move(*own);
  const Dim bytes =
      product(shape_of(root_.output())) * (dtype_bits(root_.output()->type().dtype) / 8);
  scratch_ = step.scratch(bytes);
}

std::string RootOutput::element() const {
  return element_text(is_apart_ ? root_.output() : node_.output());
}

void RootOutput::add_address(Launch& launch) const {
  if (is_apart_)
    launch.scratch(scratch_);
  else
    launch.out(0);
}

bool RootOutput::finish(StepBuilder& step) const {
  if (!is_possible_) return false;
  if (!is_apart_) return true;
  const PointwiseFunctor functor = write_pointwise(node_, &root_);
  const ir::Value* y = node_.output();
  PointwiseWork work{.functor = functor.text, .shape = shape_of(y)};
  work.output = {.address = 0, .type = y->type().dtype, .strides = dense_strides(work.shape)};
  for (const ir::Value* inner : functor.inputs) {
    auto strides = step.broadcast(shape_of(inner), work.shape);
    if (!strides) return false;
    const bool is_root = inner == root_.output();
    work.inputs.push_back({.address = is_root ? scratch_ : step.input(outer_value(node_, inner)),
                           .type = inner->type().dtype,
                           .strides = std::move(*strides),
                           .is_scratch = is_root});
  }
  return add_pointwise(step, work);
}

}  // namespace planish::cuda
