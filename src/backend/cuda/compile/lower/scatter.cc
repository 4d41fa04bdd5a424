// SPDX-License-Identifier: Apache-2.0
// ScatterElements and ScatterND: a copy of the data, then the updates (kernels/scatter.cuh).
#include <map>

#include "backend/cuda/compile/axes.h"
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/lowering.h"
#include "backend/cuda/compile/pointwise_launch.h"
#include "base/str.h"

namespace planish::cuda {
namespace {

constexpr size_t kMaxAxes = 8;
constexpr int kThreads = 128;
constexpr int64_t kTuplesAThread = 64;  // of scatter_nd with JoinSet

std::string join_of(const ir::Node& node) {
  static const std::map<std::string, std::string, std::less<>> kJoins = {{"none", "JoinSet"},
                                                                         {"add", "JoinAdd"},
                                                                         {"mul", "JoinMultiply"},
                                                                         {"max", "JoinMax"},
                                                                         {"min", "JoinMin"}};
  const auto it = kJoins.find(node.attributes().text("reduction", "none"));
  return it == kJoins.end() ? std::string() : it->second;
}

// Whether kernels know the types; what is only moved is moved as bits.
bool are_scattered(const ir::Node& node) {
  const ir::Value* x = node.input(0);
  return is_movable(x) && is_movable(node.input(2)) &&
         is_tensor(node.input(1), {DType::kI32, DType::kI64}) && !join_of(node).empty() &&
         (join_of(node) == "JoinSet" || x->type().dtype != DType::kBool);
}

Launch scatter_launch(const ir::Node& node, const char* kernel, size_t rank) {
  const std::string join = join_of(node);
  const DType type = node.input(0)->type().dtype;
  return Launch(kernel_source(
      "scatter.cuh",
      concat(
          "  using Element = planish::", join == "JoinSet" ? mover_name(type) : element_name(type),
          ";\n  using Index = ", element_text(node.input(1)), ";\n  using Join = planish::", join,
          ";\n  static constexpr int kRank = ", rank, ";\n"),
      kThreads, "ScatterParams", kernel));
}

bool copy_data(StepBuilder& step, const ir::Value* x) {
  const DType type = x->type().dtype;
  const std::vector<Dim> dense = dense_strides(shape_of(x));
  PointwiseWork work{.functor = identity_functor(type), .shape = shape_of(x)};
  work.output = {.address = 0, .type = type, .strides = dense};
  work.inputs.push_back({.address = step.input(x), .type = type, .strides = dense});
  return add_pointwise(step, work);
}

void add_list(StepBuilder& step, Launch& launch, const std::vector<Dim>& values) {
  for (size_t i = 0; i < kMaxAxes; ++i)
    launch.i64_dim(step.dim(i < values.size() ? values[i] : Dim(0)));
}

std::optional<ref::StepChoice> lower_scatter_elements(const ir::Node& node, Lowering& lowering) {
  if (!are_scattered(node)) return std::nullopt;
  const Shape& shape = shape_of(node.input(0));
  const Shape& index = shape_of(node.input(1));
  if (shape.size() > kMaxAxes || !(shape_of(node.input(2)) == index)) return std::nullopt;
  const size_t axis = normal_axis(node.attributes().integer("axis", 0), shape.size());
  std::vector<Dim> dims, strides, updates_strides;
  const std::vector<Dim> dense = dense_strides(shape), dense_updates = dense_strides(index);
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i == axis) continue;
    // Only the portable kernel tells an index that has more lines than the data.
    if ((index[i] - shape[i]).range().max > 0) return std::nullopt;
    dims.push_back(index[i]);
    strides.push_back(dense[i]);
    updates_strides.push_back(dense_updates[i]);
  }
  StepBuilder step(lowering);
  if (!copy_data(step, node.input(0))) return std::nullopt;
  Launch launch = scatter_launch(node, "scatter_elements", dims.size());
  const Dim lines = product(dims);
  launch.in(step.input(node.input(2))).in(step.input(node.input(1))).out(0).fault();
  launch.i64_dim(step.dim(lines)).i64_dim(step.dim(index[axis])).i64(1);
  launch.i64_dim(step.dim(shape[axis])).i64_dim(step.dim(dense[axis]));
  launch.i64_dim(step.dim(dense_updates[axis]));
  for (const auto* list : {&dims, &strides, &updates_strides}) add_list(step, launch, *list);
  launch.grid(step.dim(lines.ceil_div(kThreads))).threads(kThreads).overlaps();
  step.add(std::move(launch));
  return step.finish("a copy, then the updates in order");
}

std::optional<ref::StepChoice> lower_scatter_nd(const ir::Node& node, Lowering& lowering) {
  if (!are_scattered(node)) return std::nullopt;
  const Shape& shape = shape_of(node.input(0));
  const Shape& index = shape_of(node.input(1));
  if (!index.back().is_constant()) return std::nullopt;
  const auto width = static_cast<size_t>(index.back().value());
  if (width > std::min(kMaxAxes, shape.size())) return std::nullopt;
  const Dim tuples = product(index, 0, index.size() - 1);
  const Dim inner = product(shape, width, shape.size());
  if (!(product(shape_of(node.input(2))) == tuples * inner)) return std::nullopt;
  const bool is_set = join_of(node) == "JoinSet";
  const Dim rows = is_set ? tuples.ceil_div(kTuplesAThread) : Dim(1);
  constexpr int64_t kMaxRows = 65535;
  if (rows.range().max > kMaxRows) return std::nullopt;
  StepBuilder step(lowering);
  if (!copy_data(step, node.input(0))) return std::nullopt;
  Launch launch = scatter_launch(node, "scatter_nd", width);
  launch.in(step.input(node.input(2))).in(step.input(node.input(1))).out(0).fault();
  launch.i64(1).i64_dim(step.dim(tuples)).i64_dim(step.dim(inner)).i64(0).i64(0).i64(0);
  const std::vector<Dim> dense = dense_strides(shape);
  const auto end = static_cast<std::ptrdiff_t>(width);
  add_list(step, launch, {shape.begin(), shape.begin() + end});
  add_list(step, launch, {dense.begin(), dense.begin() + end});
  add_list(step, launch, {});
  launch.grid(step.dim(inner.ceil_div(kThreads)), step.dim(rows)).threads(kThreads).overlaps();
  step.add(std::move(launch));
  return step.finish("a copy, then the updates in order");
}

const RegisterLowering kScatterElements("ScatterElements", lower_scatter_elements);
const RegisterLowering kScatterND("ScatterND", lower_scatter_nd);

}  // namespace
}  // namespace planish::cuda
