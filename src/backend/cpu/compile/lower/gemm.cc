// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/gemm.h"

#include "backend/cpu/compile/epilogue_builder.h"
#include "backend/cpu/compile/lowering.h"

namespace planish::cpu {
namespace {

// Packs a constant [k, n] for the target.
Tensor packed(const Tensor& w, const LowerTarget& target) {
  const int64_t k = w.dim(0), n = w.dim(1);
  Tensor out(DType::kF32, {gemm_packed_floats(target.isa, k, n)});
  if (target.packs) gemm_pack(target.isa, w.as<float>(), n, 1, k, n, out.as<float>());
  return out;
}

std::optional<ref::StepChoice> lower_gemm(const ir::Node& node, const LowerTarget& target) {
  const ir::Node* root = node.op() == "planish.Fused" ? fused_root(node) : &node;
  const ir::Value* a = root->input(0);
  const ir::Value* b = root->input(1);
  if (!is_f32(a) || !is_f32(b) || !has_rank(a) || !has_rank(b) || a->type().shape->size() < 2 ||
      b->type().shape->size() < 2)
    return std::nullopt;
  const ir::Value* outer_b = outer_value(node, b);
  ref::StepChoice choice{.kernel = "cpu.gemm",
                         .attributes = Attributes(),
                         .inputs = std::vector<ref::StepChoice::Input>()};
  choice.inputs->emplace_back(outer_value(node, a));
  if (outer_b->is_constant() && outer_b->constant().rank() == 2) {
    const Tensor& w = outer_b->constant();
    choice.inputs->emplace_back(packed(w, target));
    choice.attributes->set("packed", int64_t{1});
    choice.attributes->set("k", w.dim(0));
    choice.attributes->set("n", w.dim(1));
    choice.tactic = "register-tiled product, weights packed when built";
  } else {
    choice.inputs->emplace_back(outer_b);
    choice.tactic = "register-tiled product, second operand packed in each run";
  }
  build_epilogue(node, nullptr, choice);
  return choice;
}

const RegisterLowering kGemm("MatMul", lower_gemm);

}  // namespace
}  // namespace planish::cpu
