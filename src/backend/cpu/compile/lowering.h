// SPDX-License-Identifier: Apache-2.0
// Which kernel computes a node: one lowering an op, registered by one object a file in lower/.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backend/cpu/kernels/isa.h"
#include "backend/ref/compile/lower.h"
#include "ir/graph.h"

namespace planish::cpu {

struct LowerTarget {
  Isa isa = Isa::plain;
};

// The step for a node, or nothing if the kernel cannot compute it: the next lowering of the op is
// asked, in the end the portable kernel computes it.
using LowerNode = std::optional<ref::StepChoice> (*)(const ir::Node& node,
                                                     const LowerTarget& target);

class RegisterLowering {
 public:
  // `op` is that of the node, or of the root of a planish.Fused node; "" for one without a root.
  RegisterLowering(std::string op, LowerNode lower);
};

std::optional<ref::StepChoice> lower_node(const ir::Node& node, const LowerTarget& target);

// The node that a planish.Fused node's tail hangs on: the one that is not pointwise. Null: none.
const ir::Node* fused_root(const ir::Node& node);

bool is_f32(const ir::Value* v);
bool has_rank(const ir::Value* v);

}  // namespace planish::cpu
