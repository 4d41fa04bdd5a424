// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "backend/cpu/compile/lowering.h"

namespace planish::cpu {
namespace {

std::optional<ref::StepChoice> lower_dims(const ir::Node& node, const LowerTarget&) {
  // Of a sequence or an optional there are no dims to bind to.
  for (const ir::Value* in : node.inputs())
    if (in == nullptr || !in->type().is_tensor() || !in->type().has_rank()) return std::nullopt;
  return ref::StepChoice{.kernel = "cpu.dims", .tactic = "worked out when shapes are bound"};
}

const RegisterLowering kDims("planish.Dims", lower_dims);

}  // namespace
}  // namespace planish::cpu
