// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/lowering.h"
#include "backend/cpu/kernels/norm.h"
#include "backend/cpu/kernels/reduce.h"
#include "passes/rewrite.h"

namespace planish::cpu {
namespace {

using Inputs = std::vector<ref::StepChoice::Input>;

bool is_float_tensor(const ir::Value* v) { return is_f32(v) && has_rank(v); }
int64_t rank_of(const ir::Value* v) { return static_cast<int64_t>(v->type().shape->size()); }

std::optional<ref::StepChoice> lower_reduce(const ir::Node& node, const LowerTarget&) {
  const ir::Value* x = node.input(0);
  if (!is_float_tensor(x) || rank_of(x) > kMaxReduceRank) return std::nullopt;
  auto axes = passes::constant_integers(node.input(1));
  if (!axes || axes->empty()) return std::nullopt;
  for (int64_t& axis : *axes) axis += axis < 0 ? rank_of(x) : 0;
  return ref::StepChoice{.kernel = "cpu.reduce",
                         .attributes = Attributes{{"op", node.op()}, {"axes", *axes}},
                         .inputs = Inputs{x},
                         .tactic = "vectorised fold"};
}

std::optional<ref::StepChoice> lower_softmax(const ir::Node& node, const LowerTarget&) {
  const ir::Value* x = node.input(0);
  if (!is_float_tensor(x) || rank_of(x) == 0) return std::nullopt;
  int64_t axis = node.attributes().integer("axis", -1);
  axis += axis < 0 ? rank_of(x) : 0;
  return ref::StepChoice{
      .kernel = "cpu.softmax",
      .attributes = Attributes{{"axis", axis}, {"logarithm", int64_t{node.op() == "LogSoftmax"}}},
      .inputs = Inputs{x},
      .tactic = "vectorised rows"};
}

std::optional<ref::StepChoice> lower_row_norm(const ir::Node& node, const LowerTarget&) {
  const ir::Value* x = node.input(0);
  if (!is_float_tensor(x)) return std::nullopt;
  for (size_t i = 1; i < node.outputs().size(); ++i)
    if (node.outputs()[i] != nullptr) return std::nullopt;
  int64_t axis = node.attributes().integer("axis", -1);
  axis += axis < 0 ? rank_of(x) : 0;
  // The vectors must be as long as a row, not broadcast into it.
  const Dim cols = product(*x->type().shape, static_cast<size_t>(axis));
  Inputs inputs = {x};
  for (int i = 1; i <= 2; ++i) {
    const ir::Value* v = node.input(i);
    if (v != nullptr && (!is_float_tensor(v) || !(product(*v->type().shape) == cols)))
      return std::nullopt;
    inputs.emplace_back(v);
  }
  return ref::StepChoice{
      .kernel = "cpu.row_norm",
      .attributes = Attributes{{"axis", axis},
                               {"epsilon", node.attributes().real("epsilon", 1e-5)},
                               {"rms", int64_t{node.op() == "RMSNormalization"}}},
      .inputs = std::move(inputs),
      .tactic = "two passes over each row"};
}

std::optional<ref::StepChoice> lower_group_norm(const ir::Node& node, const LowerTarget&) {
  const ir::Value* x = node.input(0);
  if (!is_float_tensor(x) || rank_of(x) < 2) return std::nullopt;
  for (int i = 1; i <= 2; ++i)
    if (!is_float_tensor(node.input(i))) return std::nullopt;
  const bool is_last = node.op().ends_with("Nhwc");
  const int64_t groups = node.attributes().integer("num_groups", 0);
  const Dim& channels = is_last ? x->type().shape->back() : (*x->type().shape)[1];
  if (is_last && groups != 0 &&
      (!channels.is_constant() || channels.value() / groups > kMaxGroupChannelsLast))
    return std::nullopt;
  return ref::StepChoice{
      .kernel = "cpu.group_norm",
      .attributes = Attributes{{"groups", groups},
                               {"epsilon", node.attributes().real("epsilon", 1e-5)},
                               {"channels_last", int64_t{is_last}}},
      .inputs = Inputs{x, node.input(1), node.input(2)},
      .tactic = "two passes over each group"};
}

const RegisterLowering kReduce[] = {
    {"ReduceSum", lower_reduce},    {"ReduceMean", lower_reduce},
    {"ReduceMax", lower_reduce},    {"ReduceMin", lower_reduce},
    {"ReduceProd", lower_reduce},   {"ReduceSumSquare", lower_reduce},
    {"ReduceL1", lower_reduce},     {"ReduceL2", lower_reduce},
    {"ReduceLogSum", lower_reduce}, {"ReduceLogSumExp", lower_reduce}};
const RegisterLowering kSoftmax[] = {{"Softmax", lower_softmax}, {"LogSoftmax", lower_softmax}};
const RegisterLowering kRowNorm[] = {{"LayerNormalization", lower_row_norm},
                                     {"RMSNormalization", lower_row_norm}};
const RegisterLowering kGroupNorm[] = {{"InstanceNormalization", lower_group_norm},
                                       {"GroupNormalization", lower_group_norm},
                                       {"planish.InstanceNormalizationNhwc", lower_group_norm},
                                       {"planish.GroupNormalizationNhwc", lower_group_norm}};

}  // namespace
}  // namespace planish::cpu
