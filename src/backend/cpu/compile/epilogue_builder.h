// SPDX-License-Identifier: Apache-2.0
// The nodes behind a root as the attributes of runtime/step_epilogue.h.
#pragma once

#include <optional>
#include <vector>

#include "backend/ref/compile/lower.h"
#include "ir/graph.h"

namespace planish::cpu {

// The tail of a root: of a planish.Fused node everything but the root, of a plain node nothing.
// `bias` is the root's own bias, or null. Adds inputs and attributes to `choice`, whose inputs must
// hold the root's already.
void build_epilogue(const ir::Node& node, const ir::Value* bias, ref::StepChoice& choice);

// The node's input that stands for a value of its body (itself, if the node has no body).
const ir::Value* outer_value(const ir::Node& node, const ir::Value* inner);

}  // namespace planish::cpu
