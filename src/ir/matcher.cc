// SPDX-License-Identifier: Apache-2.0
#include "ir/matcher.h"

#include <algorithm>

namespace planish::ir {

struct PatternNode {
  enum class Kind : uint8_t { kAny, kAbsent, kOp, kEither };
  Kind kind = Kind::kAny;
  int slot = -1;
  std::string op;
  bool commutes = false;
  std::vector<Pattern> children;  // inputs of kOp, alternatives of kEither
  std::function<bool(const Value&)> test;
};

struct PatternBuilder {
  static Pattern make(PatternNode node) {
    return Pattern(std::make_shared<const PatternNode>(std::move(node)));
  }
  static const PatternNode& of(const Pattern& p) { return *p.node_; }
};

Pattern Pattern::where(std::function<bool(const Value&)> test) const {
  // An alternative of one, so that a test of the inner pattern stays.
  return PatternBuilder::make(
      {.kind = PatternNode::Kind::kEither, .children = {*this}, .test = std::move(test)});
}

Pattern Pattern::as(int slot) const {
  return PatternBuilder::make(
      {.kind = PatternNode::Kind::kEither, .slot = slot, .children = {*this}});
}

Pattern any() { return PatternBuilder::make({}); }
Pattern absent() { return PatternBuilder::make({.kind = PatternNode::Kind::kAbsent}); }
Pattern var(int slot) { return PatternBuilder::make({.slot = slot}); }

Pattern op(std::string name, std::vector<Pattern> inputs) {
  return PatternBuilder::make(
      {.kind = PatternNode::Kind::kOp, .op = std::move(name), .children = std::move(inputs)});
}

Pattern commutative(std::string name, Pattern a, Pattern b) {
  return PatternBuilder::make({.kind = PatternNode::Kind::kOp,
                               .op = std::move(name),
                               .commutes = true,
                               .children = {std::move(a), std::move(b)}});
}

Pattern either(std::vector<Pattern> alternatives) {
  return PatternBuilder::make(
      {.kind = PatternNode::Kind::kEither, .children = std::move(alternatives)});
}

// Depth-first search over the goals that are left, with the bindings undone on the way back.
class Solver {
 public:
  Solver(const Graph* graph, Match& match) : graph_(graph), match_(match) {}

  struct Goal {
    const PatternNode* pattern;
    Value* value;
  };

  bool solve(std::vector<Goal> goals) {
    if (goals.empty()) return true;
    const Goal goal = goals.back();
    goals.pop_back();
    if (goal.pattern->kind == PatternNode::Kind::kAbsent)
      return goal.value == nullptr && solve(std::move(goals));
    if (goal.value == nullptr) return false;
    if (goal.pattern->test && !goal.pattern->test(*goal.value)) return false;
    const Match before = match_;
    if (bind(goal) && proceed(goal, goals)) return true;
    match_ = before;
    return false;
  }

 private:
  bool bind(const Goal& goal) {
    if (goal.pattern->slot < 0) return true;
    Value*& slot = match_.slots_[static_cast<size_t>(goal.pattern->slot)];
    if (slot == nullptr) slot = goal.value;
    return slot == goal.value;
  }

  bool proceed(const Goal& goal, const std::vector<Goal>& rest) {
    const PatternNode& p = *goal.pattern;
    if (p.kind == PatternNode::Kind::kAny) return solve(rest);
    if (p.kind == PatternNode::Kind::kEither)
      return std::any_of(p.children.begin(), p.children.end(), [&](const Pattern& alternative) {
        std::vector<Goal> goals = rest;
        goals.push_back({alternative.node_.get(), goal.value});
        return solve(std::move(goals));
      });
    Node* node = goal.value->producer();
    if (node == nullptr || node->op() != p.op || node->graph() != graph_) return false;
    if (goal.value->output_index() != 0 || node->inputs().size() > p.children.size()) return false;
    auto& nodes = match_.nodes_;
    if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
    const size_t known = nodes.size();
    for (int order = 0; order < (p.commutes ? 2 : 1); ++order) {
      std::vector<Goal> goals = rest;
      for (size_t i = p.children.size(); i-- > 0;) {
        const size_t from = order == 0 ? i : p.children.size() - 1 - i;
        goals.push_back({p.children[i].node_.get(), node->input(static_cast<int>(from))});
      }
      if (solve(std::move(goals))) return true;
      nodes.resize(known);
    }
    return false;
  }

  const Graph* graph_;
  Match& match_;
};

bool match(const Pattern& pattern, Node& root, Match& found) {
  found = {};
  if (root.output() == nullptr) return false;
  return Solver(root.graph(), found).solve({{&PatternBuilder::of(pattern), root.output()}});
}

bool is_closed(const std::vector<Node*>& nodes, const Node* root) {
  return std::all_of(nodes.begin(), nodes.end(), [&](const Node* node) {
    if (node == root) return true;
    return std::all_of(node->outputs().begin(), node->outputs().end(), [&](const Value* out) {
      return out == nullptr ||
             std::all_of(out->uses().begin(), out->uses().end(), [&](const Use& use) {
               return std::find(nodes.begin(), nodes.end(), use.node) != nodes.end();
             });
    });
  });
}

bool Match::is_closed() const { return nodes_.empty() || ir::is_closed(nodes_, nodes_[0]); }

}  // namespace planish::ir
