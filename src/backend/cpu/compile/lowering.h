// SPDX-License-Identifier: Apache-2.0
// Which kernels can compute a node: lowerings of its op, registered by objects of the files in
// lower/.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backend/cpu/kernels/isa.h"
#include "backend/ref/compile/lower.h"
#include "ir/graph.h"

namespace planish::cpu {

struct LowerTarget {
  Isa isa = Isa::plain;
  int threads = 1;
  std::set<std::string> disabled;  // names of tactics that are left out
  // False: only whether and how. Weights get a tensor of their size, whatever it holds.
  bool packs = true;
  std::string* refusal = nullptr;

  // What a lowering returns that knows the op but not this node of it: says why in a sentence.
  std::nullopt_t refuse(std::string why) const {
    if (refusal != nullptr) *refusal = std::move(why);
    return std::nullopt;
  }
};

// The step for a node, or nothing if the kernel cannot compute it. If several lowerings of an op
// give a step, the tuner chooses; if none does, the portable kernel computes the node.
using LowerNode = std::optional<ref::StepChoice> (*)(const ir::Node& node,
                                                     const LowerTarget& target);

struct LoweringTraits {
  std::string name;  // of the tactic; empty: the name of the kernel that it takes
  double cost = 1;   // the cost model's: estimated time relative to the kernels of the backend
  int rank = 0;      // of two that are equally fast the one of the lower rank is taken
};

class RegisterLowering {
 public:
  // `op` is that of the node, or of the root of a planish.Fused node; "" for one without a root;
  // "quantized product" for one that quantization.h made.
  RegisterLowering(std::string op, LowerNode lower, LoweringTraits traits = {});
};

// One lowering's answer.
struct Offer {
  std::string tactic;
  double cost = 1;
  std::optional<ref::StepChoice> step;
  std::string refusal;  // why there is no step
};
// In order of rank, their weights not packed. Lowerings that say nothing are not among them.
std::vector<Offer> offers_for(const ir::Node& node, const LowerTarget& target);
// The first that takes the node; those of higher rank are not asked.
std::optional<std::string> first_tactic(const ir::Node& node, const LowerTarget& target);

// Whether more than one lowering may know the node.
bool has_rivals(const ir::Node& node);
// The step of the tactic of that name, if it takes the node.
std::optional<ref::StepChoice> lower_as(const ir::Node& node, const LowerTarget& target,
                                        const std::string& tactic);
// The first step that there is.
std::optional<ref::StepChoice> lower_node(const ir::Node& node, const LowerTarget& target);

// The node that a planish.Fused node's tail hangs on: the one that is neither pointwise nor
// quantisation. Null: none.
const ir::Node* fused_root(const ir::Node& node);

bool is_f32(const ir::Value* v);
bool has_rank(const ir::Value* v);

}  // namespace planish::cpu
