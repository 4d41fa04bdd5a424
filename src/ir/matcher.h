// SPDX-License-Identifier: Apache-2.0
// Patterns: small trees of ops that are looked for below a node.
//
//   // x * Sigmoid(x)
//   enum : int { kX };
//   static const Pattern kSwish = commutative("Mul", var(kX), op("Sigmoid", {var(kX)}));
//   Match m;
//   if (match(kSwish, node, m) && m.is_closed()) use(m[kX]);
//
// A slot that appears twice stands for one value. All ways to fit are tried: both orders of a
// commutative op and every alternative of either().
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace planish::ir {

struct PatternNode;  // opaque

class Pattern {
 public:
  // The value that fits must pass the test, too.
  Pattern where(std::function<bool(const Value&)> test) const;
  // The value that fits is kept in a slot.
  Pattern as(int slot) const;

 private:
  explicit Pattern(std::shared_ptr<const PatternNode> node) : node_(std::move(node)) {}
  friend struct PatternBuilder;
  friend class Solver;
  std::shared_ptr<const PatternNode> node_;
};

inline constexpr int kMaxSlots = 12;

Pattern any();          // any value
Pattern absent();       // an optional input that is not there
Pattern var(int slot);  // any value, kept
// Output 0 of a node of the root's graph that runs `name` on these inputs, trailing absent ones
// left out.
Pattern op(std::string name, std::vector<Pattern> inputs);
Pattern commutative(std::string name, Pattern a, Pattern b);
Pattern either(std::vector<Pattern> alternatives);

class Match {
 public:
  Value* operator[](int slot) const { return slots_[static_cast<size_t>(slot)]; }
  // The nodes that fitted op patterns, the root first.
  const std::vector<Node*>& nodes() const { return nodes_; }
  // Whether nothing but the match uses what its nodes make, save the root's result.
  bool is_closed() const;

 private:
  friend class Solver;
  std::array<Value*, kMaxSlots> slots_{};
  std::vector<Node*> nodes_;
};

// Whether the pattern, an op, fits the node. `found` holds the first way, in the patterns' order.
bool match(const Pattern& pattern, Node& root, Match& found);

// Whether nothing outside of `nodes` uses what they make, save what `root` makes.
bool is_closed(const std::vector<Node*>& nodes, const Node* root);

}  // namespace planish::ir
