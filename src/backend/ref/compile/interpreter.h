// SPDX-License-Identifier: Apache-2.0
// Evaluates a graph node by node with the ops' portable kernels: the oracle for every pass, backend
// and plan. Slow and simple.
#pragma once

#include <functional>
#include <vector>

#include "base/budget.h"
#include "ir/graph.h"
#include "tensor/tensor.h"

namespace planish::ref {

// Called with each value as it is made (inside subgraphs too, once an iteration).
using ValueObserver = std::function<void(const ir::Value&, const Datum&)>;

// `inputs` in the graph's order; an empty datum is an absent optional. Returns its outputs. Throws
// kInvalidArgument if the number of inputs differs, and whatever an op throws.
std::vector<Datum> interpret(const ir::Graph& graph, std::vector<Datum> inputs, RunBudget& budget,
                             const ValueObserver& observer = {});

}  // namespace planish::ref
