// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/lowering.h"

namespace planish::cpu {
namespace {

std::optional<ref::StepChoice> lower_arg_extreme(const ir::Node& node, const LowerTarget&) {
  const ir::Value* x = node.input(0);
  if (!is_f32(x) || !has_rank(x) || x->type().shape->empty()) return std::nullopt;
  int64_t axis = node.attributes().integer("axis", 0);
  axis += axis < 0 ? static_cast<int64_t>(x->type().shape->size()) : 0;
  return ref::StepChoice{
      .kernel = "cpu.arg_extreme",
      .attributes = Attributes{{"axis", axis},
                               {"smallest", int64_t{node.op() == "ArgMin"}},
                               {"last", node.attributes().integer("select_last_index", 0)}},
      .inputs = std::vector<ref::StepChoice::Input>{x},
      .tactic = "vectorised scan"};
}

const RegisterLowering kArgExtreme[] = {{"ArgMax", lower_arg_extreme},
                                        {"ArgMin", lower_arg_extreme}};

}  // namespace
}  // namespace planish::cpu
