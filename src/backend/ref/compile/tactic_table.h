// SPDX-License-Identifier: Apache-2.0
// Which tactic computes each node of a graph: problems go to the tuner, choices come back by node.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/options.h"
#include "ir/graph.h"
#include "plan/plan.h"
#include "tuner/tactic.h"

namespace planish::ref {

struct NodeTactic {
  std::string name;  // empty: all refused
  std::string reason;
};

struct NodeProblem {
  const ir::Node* node = nullptr;
  tuner::Problem problem;
};

class TacticTable {
 public:
  // Null where a node has one lowering at most.
  const NodeTactic* find(const ir::Node& node) const;
  void set(const ir::Node& node, NodeTactic tactic, plan::Record record);
  // Has the tuner choose as options.level, tuning_seconds and timing_cache say, and saves the
  // cache. Throws what the cache and `check_cancelled` throw.
  void decide(std::vector<NodeProblem> problems, const Options& options, tuner::Meter& meter,
              const std::function<void()>& check_cancelled);
  // For the plan's report: what was chosen for which node and why, what was refused.
  std::vector<plan::Record> take_report() { return std::move(report_); }

 private:
  std::map<const ir::Node*, NodeTactic> by_node_;
  std::vector<plan::Record> report_;
};

}  // namespace planish::ref
