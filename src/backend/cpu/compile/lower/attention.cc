// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/attention.h"

#include "backend/cpu/compile/lowering.h"

namespace planish::cpu {
namespace {

// The plain form: heads apart or packed in one row, no cache, one output, a float mask.
std::optional<ref::StepChoice> lower_attention(const ir::Node& node, const LowerTarget&) {
  const Attributes& a = node.attributes();
  int64_t heads[2] = {0, 0};  // of queries and of keys, where they are packed
  for (int i = 0; i < 3; ++i) {
    const ir::Value* v = node.input(i);
    if (!is_f32(v) || !has_rank(v)) return std::nullopt;
    const Shape& shape = *v->type().shape;
    if (shape.size() != 3 && shape.size() != 4) return std::nullopt;
    if (shape.size() != node.input(0)->type().shape->size()) return std::nullopt;
    if (shape.size() == 3) {
      heads[0] = a.integer("q_num_heads", 1);
      heads[1] = a.integer("kv_num_heads", 1);
    }
    const Dim& width = shape.back();
    const int64_t own_heads = heads[i == 0 ? 0 : 1];
    if (!width.is_constant() || width.value() < 1) return std::nullopt;
    if (shape.size() == 3 && own_heads < 1) return std::nullopt;
    const int64_t size = shape.size() == 4 ? width.value() : width.value() / own_heads;
    if (size < 1 || size > kMaxHeadSize) return std::nullopt;
  }
  const ir::Value* mask = node.input(3);
  if (mask != nullptr && (!is_f32(mask) || !has_rank(mask) || mask->type().shape->empty()))
    return std::nullopt;
  for (int i = 4; i < 7; ++i)
    if (node.input(i) != nullptr) return std::nullopt;
  for (size_t i = 1; i < node.outputs().size(); ++i)
    if (node.outputs()[i] != nullptr) return std::nullopt;
  return ref::StepChoice{.kernel = "cpu.attention",
                         .attributes = Attributes{{"scale", a.real("scale", 0)},
                                                  {"softcap", a.real("softcap", 0)},
                                                  {"causal", a.integer("is_causal", 0)},
                                                  {"q_heads", heads[0]},
                                                  {"kv_heads", heads[1]}},
                         .inputs = std::vector<ref::StepChoice::Input>{node.input(0), node.input(1),
                                                                       node.input(2), mask},
                         .tactic = "online softmax, scores stay in cache"};
}

const RegisterLowering kAttention("Attention", lower_attention);

}  // namespace
}  // namespace planish::cpu
