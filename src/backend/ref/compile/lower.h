// SPDX-License-Identifier: Apache-2.0
// A graph becomes the programs and constants of a plan.
//
// Every node becomes a step; `choose` may give it a kernel of a backend, else it is computed by the
// op's portable kernel. Reshaping nodes become aliases where nothing has to be copied.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ir/graph.h"
#include "plan/plan.h"

namespace planish::ref {

// How a backend computes a node.
struct StepChoice {
  std::string kernel;
  std::optional<Attributes> attributes;  // nullopt: the node's
  // nullopt: the node's. A tensor becomes a constant of the plan (packed weights); null: absent.
  using Input = std::variant<const ir::Value*, Tensor>;
  std::optional<std::vector<Input>> inputs;
  bool keep_subgraphs = false;  // lower them too, for a kernel that runs subprograms
  std::string tactic;
};
// nullopt: the portable kernel. The outputs must have known dims over symbols that are bound before
// the step (see has_known_dims), else the choice is not asked for.
using ChooseStep = std::function<std::optional<StepChoice>(const ir::Node&)>;

// Fills symbols, inputs, outputs, constants and programs of `plan`. The graph must be inferred.
// Throws kInternal if a node breaks the plan's rules.
void lower(const ir::Graph& graph, const ChooseStep& choose, plan::Plan& plan);

}  // namespace planish::ref
