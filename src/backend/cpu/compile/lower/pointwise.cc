// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/epilogue_builder.h"
#include "backend/cpu/compile/lowering.h"
#include "backend/cpu/compile/tape_builder.h"
#include "backend/cpu/runtime/tape_text.h"
#include "planish/error.h"

namespace planish::cpu {
namespace {

// One pointwise node, or a tree of them.
std::optional<ref::StepChoice> lower_pointwise(const ir::Node& node, const LowerTarget& target) {
  TapeBuilder builder;
  const ir::Value* result = node.output();
  if (const ir::Graph* body = node.subgraph("body")) {
    for (const auto& inner : body->nodes()) builder.add(*inner);
    result = body->outputs()[0];
  } else {
    builder.add(node);
  }
  const PointwiseTape tape = builder.take({result});
  ref::StepChoice choice{.kernel = "cpu.pointwise",
                         .attributes = Attributes(),
                         .inputs = std::vector<ref::StepChoice::Input>()};
  for (const ir::Value* in : builder.inputs()) choice.inputs->emplace_back(outer_value(node, in));
  try {
    PointwiseProgram check(tape, target.isa);
  } catch (const Error&) {
    return std::nullopt;  // too large for the engine: the portable kernels run it node by node
  }
  write_tape(tape, *choice.attributes);
  choice.tactic = "one pass over memory";
  return choice;
}

const RegisterLowering kPointwise("", lower_pointwise);

}  // namespace
}  // namespace planish::cpu
