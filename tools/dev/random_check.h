// SPDX-License-Identifier: Apache-2.0
// Whether an engine computes what the interpreter computes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "random_generator.h"

namespace planish::dev {

struct CheckResult {
  std::string kind;  // empty: all is well; else "crash", "refused", "wrong output", ...
  std::string detail;
  std::vector<std::string> not_compared;  // why, for each run whose outputs were not all compared
};

// Builds the graph with options drawn from the seed, through a plan's bytes, and runs it on random
// inputs at each of the sizes. Elements that small rounding errors move far may differ.
CheckResult check_graph(const ir::Graph& graph, const std::vector<Sizes>& sizes, uint64_t seed);

// The same in a process of its own, so that crashes and hangs are results too.
CheckResult check_apart(const ir::Graph& graph, const std::vector<Sizes>& sizes, uint64_t seed);

// A smaller graph that fails in the same way.
std::unique_ptr<ir::Graph> shrink(const ir::Graph& graph, const std::vector<Sizes>& sizes,
                                  uint64_t seed, const std::string& kind);

}  // namespace planish::dev
