// SPDX-License-Identifier: Apache-2.0
// Strided copies: Expand, Slice, Concat, Split, DepthToSpace, SpaceToDepth, and Transpose where
// nothing better is there.
#include <algorithm>
#include <numeric>

#include "backend/cuda/compile/axes.h"
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/lowering.h"
#include "backend/cuda/compile/pointwise_launch.h"
#include "passes/rewrite.h"

namespace planish::cuda {
namespace {

bool add_copy(StepBuilder& step, const Shape& shape, PointwiseOperand output,
              PointwiseOperand input) {
  PointwiseWork work{.functor = identity_functor(output.type), .shape = shape};
  work.output = std::move(output);
  work.inputs.push_back(std::move(input));
  return add_pointwise(step, work);
}

std::optional<ref::StepChoice> lower_transpose(const ir::Node& node, Lowering& lowering) {
  const ir::Value* x = node.input(0);
  if (!is_movable(x)) return std::nullopt;
  const size_t rank = shape_of(x).size();
  std::vector<int64_t> perm(rank);
  std::iota(perm.rbegin(), perm.rend(), 0);
  perm = node.attributes().integers("perm", perm);
  const std::vector<Dim> dense = dense_strides(shape_of(x));
  std::vector<Dim> strides;
  for (int64_t axis : perm) strides.push_back(dense[static_cast<size_t>(axis)]);
  const Shape& out = shape_of(node.output());
  const DType type = x->type().dtype;
  StepBuilder step(lowering);
  if (!add_copy(step, out, {.address = 0, .type = type, .strides = dense_strides(out)},
                {.address = step.input(x), .type = type, .strides = strides}))
    return std::nullopt;
  return step.finish("strided copy");
}

std::optional<ref::StepChoice> lower_expand(const ir::Node& node, Lowering& lowering) {
  const ir::Value* x = node.input(0);
  if (!is_movable(x)) return std::nullopt;
  const Shape& out = shape_of(node.output());
  StepBuilder step(lowering);
  const auto strides = step.broadcast(shape_of(x), out);
  if (!strides) return std::nullopt;
  const DType type = x->type().dtype;
  if (!add_copy(step, out, {.address = 0, .type = type, .strides = dense_strides(out)},
                {.address = step.input(x), .type = type, .strides = *strides}))
    return std::nullopt;
  return step.finish("strided copy");
}

// Parts of one tensor along an axis: a launch each. Their places must be known in advance.
std::optional<ref::StepChoice> lower_concat(const ir::Node& node, Lowering& lowering) {
  const ir::Value* y = node.output();
  const Shape& out = shape_of(y);
  const size_t axis = normal_axis(node.attributes().integer("axis"), out.size());
  const std::vector<Dim> dense = dense_strides(out);
  StepBuilder step(lowering);
  Dim at = 0;
  for (const ir::Value* in : node.inputs()) {
    if (!is_movable(in)) return std::nullopt;
    const Dim first = at * dense[axis];
    at = at + shape_of(in)[axis];
    if (shape_of(in)[axis] == Dim(0)) continue;
    const DType type = in->type().dtype;
    if (!add_copy(
            step, shape_of(in),
            {.address = 0, .type = type, .strides = dense, .first_element = first},
            {.address = step.input(in), .type = type, .strides = dense_strides(shape_of(in))}))
      return std::nullopt;
  }
  return step.finish("strided copies");
}

std::optional<ref::StepChoice> lower_split(const ir::Node& node, Lowering& lowering) {
  const ir::Value* x = node.input(0);
  if (!is_movable(x)) return std::nullopt;
  const size_t axis = normal_axis(node.attributes().integer("axis", 0), shape_of(x).size());
  const std::vector<Dim> dense = dense_strides(shape_of(x));
  const DType type = x->type().dtype;
  StepBuilder step(lowering);
  Dim at = 0;
  for (size_t i = 0; i < node.outputs().size(); ++i) {
    const ir::Value* out = node.outputs()[i];
    if (out == nullptr) return std::nullopt;
    const Dim first = at * dense[axis];
    at = at + shape_of(out)[axis];
    if (!add_copy(
            step, shape_of(out),
            {.address = static_cast<int>(i), .type = type, .strides = dense_strides(shape_of(out))},
            {.address = step.input(x), .type = type, .strides = dense, .first_element = first}))
      return std::nullopt;
  }
  return step.finish("strided copies");
}

std::optional<ref::StepChoice> lower_slice(const ir::Node& node, Lowering& lowering) {
  const ir::Value* x = node.input(0);
  const auto starts = passes::constant_integers(node.input(1));
  if (!is_movable(x) || !starts) return std::nullopt;
  const Shape& in = shape_of(x);
  std::vector<int64_t> axes(starts->size()), steps(starts->size(), 1);
  std::iota(axes.begin(), axes.end(), 0);
  if (node.input(3) != nullptr) {
    const auto given = passes::constant_integers(node.input(3));
    if (!given) return std::nullopt;
    axes = *given;
  }
  if (node.input(4) != nullptr) {
    const auto given = passes::constant_integers(node.input(4));
    if (!given) return std::nullopt;
    steps = *given;
  }
  const std::vector<Dim> dense = dense_strides(in);
  std::vector<Dim> strides = dense;
  Dim first = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = normal_axis(axes[i], in.size());
    const std::optional<int64_t> size = in[axis].constant();
    const int64_t start = (*starts)[i];
    if (!size && start < 0) return std::nullopt;
    const int64_t from = start < 0 ? start + *size : start;
    // A start beyond an axis of unknown size would be cut down to it.
    const int64_t last = size ? *size - (steps[i] < 0 ? 1 : 0) : from;
    if (!size && (from > in[axis].range().min || steps[i] < 0)) return std::nullopt;
    first = first + Dim(std::clamp<int64_t>(from, 0, std::max<int64_t>(last, 0))) * dense[axis];
    strides[axis] = dense[axis] * Dim(steps[i]);
  }
  const Shape& out = shape_of(node.output());
  const DType type = x->type().dtype;
  StepBuilder step(lowering);
  if (!add_copy(
          step, out, {.address = 0, .type = type, .strides = dense_strides(out)},
          {.address = step.input(x), .type = type, .strides = strides, .first_element = first}))
    return std::nullopt;
  return step.finish("strided copy");
}

// DepthToSpace and SpaceToDepth: blocks of pixels between the channels and the plane. `deep` is the
// tensor of many channels, `wide` the one of the large plane.
std::optional<ref::StepChoice> lower_blocks(const ir::Node& node, Lowering& lowering) {
  const ir::Value* x = node.input(0);
  if (!is_movable(x)) return std::nullopt;
  const bool widens = node.op() == "DepthToSpace";
  const Shape& wide = shape_of(widens ? node.output() : x);
  const Shape& deep = shape_of(widens ? x : node.output());
  const Dim block = node.attributes().integer("blocksize");
  if (!(wide[2] == deep[2] * block && wide[3] == deep[3] * block &&
        deep[1] == wide[1] * block * block))
    return std::nullopt;
  const Dim plane = deep[2] * deep[3];
  const bool block_first = node.attributes().text("mode", "DCR") == "DCR";
  const Dim channel = block_first ? plane : plane * block * block;
  const Dim place = block_first ? wide[1] * plane : plane;  // from one place in a block to the next
  const Shape walk{wide[0], wide[1], deep[2], block, deep[3], block};
  const std::vector<Dim> s = dense_strides(wide);
  const std::vector<Dim> of_wide{s[0], s[1], s[2] * block, s[2], block, 1};
  const std::vector<Dim> of_deep{deep[1] * plane, channel, deep[3], place * block, 1, place};
  const DType type = x->type().dtype;
  StepBuilder step(lowering);
  if (!add_copy(step, walk, {.address = 0, .type = type, .strides = widens ? of_wide : of_deep},
                {.address = step.input(x), .type = type, .strides = widens ? of_deep : of_wide}))
    return std::nullopt;
  return step.finish("strided copy");
}

const RegisterLowering kDepthToSpace("DepthToSpace", lower_blocks);
const RegisterLowering kSpaceToDepth("SpaceToDepth", lower_blocks);
const RegisterLowering kTranspose("Transpose", lower_transpose, 9);
const RegisterLowering kExpand("Expand", lower_expand);
const RegisterLowering kConcat("Concat", lower_concat);
const RegisterLowering kSplit("Split", lower_split);
const RegisterLowering kSlice("Slice", lower_slice);

}  // namespace
}  // namespace planish::cuda
