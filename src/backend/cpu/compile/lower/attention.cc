// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/attention.h"

#include "backend/cpu/compile/lowering.h"

namespace planish::cpu {
namespace {

// The plain form: heads apart, no cache, one output, a float mask.
std::optional<ref::StepChoice> lower_attention(const ir::Node& node, const LowerTarget&) {
  for (int i = 0; i < 3; ++i) {
    const ir::Value* v = node.input(i);
    if (!is_f32(v) || !has_rank(v) || v->type().shape->size() != 4) return std::nullopt;
    const Dim& size = v->type().shape->back();
    if (!size.is_constant() || size.value() < 1 || size.value() > kMaxHeadSize) return std::nullopt;
  }
  const ir::Value* mask = node.input(3);
  if (mask != nullptr && (!is_f32(mask) || !has_rank(mask))) return std::nullopt;
  for (int i = 4; i < 7; ++i)
    if (node.input(i) != nullptr) return std::nullopt;
  for (size_t i = 1; i < node.outputs().size(); ++i)
    if (node.outputs()[i] != nullptr) return std::nullopt;
  const Attributes& a = node.attributes();
  // A mask shorter than the keys is padded with minus infinity; the portable kernel knows.
  if (mask != nullptr && !(mask->type().shape->back() == Dim(1)) &&
      !(mask->type().shape->back() == (*node.input(1)->type().shape)[2]))
    return std::nullopt;
  return ref::StepChoice{.kernel = "cpu.attention",
                         .attributes = Attributes{{"scale", a.real("scale", 0)},
                                                  {"softcap", a.real("softcap", 0)},
                                                  {"causal", a.integer("is_causal", 0)}},
                         .inputs = std::vector<ref::StepChoice::Input>{node.input(0), node.input(1),
                                                                       node.input(2), mask},
                         .tactic = "online softmax, scores stay in cache"};
}

const RegisterLowering kAttention("Attention", lower_attention);

}  // namespace
}  // namespace planish::cpu
