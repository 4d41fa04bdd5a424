// SPDX-License-Identifier: Apache-2.0
// The canonical graph that a plan carries (option embed_graph).
#pragma once

#include <optional>

#include "plan/plan.h"
#include "planish/export.h"

namespace planish {

// As a program of one step a node, for display; nullopt if the plan carries none. Throws
// kInvalidModel if its text is damaged, kInvalidPlan if the plan is.
PLANISH_API std::optional<plan::Program> embedded_graph(const plan::Plan& plan);

}  // namespace planish
