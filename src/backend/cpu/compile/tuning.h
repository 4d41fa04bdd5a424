// SPDX-License-Identifier: Apache-2.0
// Which tactic computes each node of a graph.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "backend/cpu/compile/lowering.h"
#include "base/options.h"
#include "ir/graph.h"
#include "plan/plan.h"
#include "tensor/tensor.h"

namespace planish::cpu {

// The shapes that a network is used with most: dims by the name of an input.
using UsualShapes = std::map<std::string, Dims>;

struct NodeTactic {
  std::string name;
  std::string reason;
};

class TacticTable {
 public:
  // Null where a node has one lowering at most.
  const NodeTactic* find(const ir::Node& node) const;
  // For the plan's report: what was chosen for which node and why, what was refused.
  std::vector<plan::Record> take_report() { return std::move(report_); }

 private:
  friend class TableBuilder;
  std::map<const ir::Node*, NodeTactic> by_node_;
  std::vector<plan::Record> report_;
};

// Tunes every problem of `graph`, subgraphs included, as options.level, tuning_seconds and
// timing_cache say, and saves the cache. Throws what the cache and `check_cancelled` throw.
TacticTable choose_tactics(const ir::Graph& graph, const Options& options,
                           const LowerTarget& target, const UsualShapes& shapes,
                           const std::function<void()>& check_cancelled);

}  // namespace planish::cpu
