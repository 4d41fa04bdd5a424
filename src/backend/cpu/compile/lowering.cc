// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/lowering.h"

#include <map>

#include "backend/cpu/compile/tape_builder.h"

namespace planish::cpu {
namespace {

std::multimap<std::string, LowerNode, std::less<>>& registry() {
  static std::multimap<std::string, LowerNode, std::less<>> lowerings;
  return lowerings;
}

}  // namespace

RegisterLowering::RegisterLowering(std::string op, LowerNode lower) {
  registry().emplace(std::move(op), lower);
}

const ir::Node* fused_root(const ir::Node& node) {
  const ir::Graph* body = node.subgraph("body");
  if (body == nullptr) return nullptr;
  for (const auto& inner : body->nodes())
    if (!is_tape_node(*inner)) return inner.get();
  return nullptr;
}

std::optional<ref::StepChoice> lower_node(const ir::Node& node, const LowerTarget& target) {
  std::string key = node.op();
  if (key == "planish.Fused") {
    const ir::Node* root = fused_root(node);
    key = root == nullptr ? "" : root->op();
  } else if (is_tape_node(node)) {
    key = "";
  }
  const auto [first, last] = registry().equal_range(key);
  for (auto it = first; it != last; ++it)
    if (auto choice = it->second(node, target)) return choice;
  return std::nullopt;
}

bool is_f32(const ir::Value* v) {
  return v != nullptr && v->type().is_tensor() && v->type().dtype == DType::kF32;
}

bool has_rank(const ir::Value* v) { return v != nullptr && v->type().has_rank(); }

}  // namespace planish::cpu
