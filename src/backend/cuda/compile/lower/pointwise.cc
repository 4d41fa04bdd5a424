// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/axes.h"
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/lowering.h"
#include "backend/cuda/compile/pointwise_launch.h"

namespace planish::cuda {
namespace {

// One pointwise node, or a tree of them.
std::optional<ref::StepChoice> lower_pointwise(const ir::Node& node, Lowering& lowering) {
  const PointwiseFunctor functor = write_pointwise(node);
  const ir::Value* y = node.output();
  StepBuilder step(lowering);
  PointwiseWork work{.functor = functor.text, .shape = shape_of(y)};
  work.output = {.address = 0, .type = y->type().dtype, .strides = dense_strides(work.shape)};
  for (const ir::Value* inner : functor.inputs) {
    const ir::Value* x = outer_value(node, inner);
    auto strides = step.broadcast(shape_of(x), work.shape);
    if (!strides) return std::nullopt;
    const int address = step.input(x);
    // Each thread reads what it overwrites itself.
    if (shape_of(x) == work.shape && dtype_bits(x->type().dtype) == dtype_bits(y->type().dtype))
      step.may_overwrite(0, address);
    work.inputs.push_back(
        {.address = address, .type = x->type().dtype, .strides = std::move(*strides)});
  }
  if (!add_pointwise(step, work)) return std::nullopt;
  return step.finish("one pass over memory");
}

const RegisterLowering kPointwise("", lower_pointwise);

}  // namespace
}  // namespace planish::cuda
