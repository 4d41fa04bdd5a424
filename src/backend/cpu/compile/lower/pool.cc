// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/lowering.h"

namespace planish::cpu {
namespace {

std::optional<ref::StepChoice> lower_pool(const ir::Node& node, const LowerTarget&) {
  const ir::Value* x = node.input(0);
  if (!is_f32(x) || !has_rank(x) || x->type().shape->size() > 5) return std::nullopt;
  const bool is_mean = node.op() == "planish.AveragePoolNhwc";
  // A mean over a window that ceil_mode pushes beyond the pads counts what ONNX says; the portable
  // kernel knows.
  if (is_mean && node.attributes().integer("ceil_mode", 0) != 0) return std::nullopt;
  Attributes attributes = node.attributes();
  attributes.erase("ceil_mode");
  attributes.erase("storage_order");
  attributes.set("op", std::string(is_mean ? "AveragePool" : "MaxPool"));
  return ref::StepChoice{.kernel = "cpu.pool",
                         .attributes = std::move(attributes),
                         .inputs = std::vector<ref::StepChoice::Input>{x},
                         .tactic = "windows, vectorised over channels"};
}

const RegisterLowering kMaxPool("planish.MaxPoolNhwc", lower_pool);
const RegisterLowering kAveragePool("planish.AveragePoolNhwc", lower_pool);

}  // namespace
}  // namespace planish::cpu
