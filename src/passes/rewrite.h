// SPDX-License-Identifier: Apache-2.0
// Rules: local rewrites of a graph.
//
//   // Mul(x, 1) = x
//   bool drop_unit_factor(ir::Node& node, Patch& patch) {
//     if (!is_splat(node.input(1), 1)) return false;
//     patch.replace(node.output(), node.input(0));
//     return true;
//   }
//   constexpr Rule kRules[] = {{"drop-unit-factor", "Mul", drop_unit_factor}};
//
// A rule looks at one node and fills a patch; the engine applies it: new nodes are inferred, a
// replacement must have the dtype of what it replaces and a shape that does not contradict it, the
// origins of the replaced nodes pass to the new ones, and nodes that became useless are erased.
// A rule that returns false leaves no trace.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "passes/pass.h"

namespace planish::passes {

class Patch {
 public:
  // New nodes go before `root`.
  explicit Patch(ir::Node& root) : root_(root) {}

  // A new node with one output, or several through add_node; types are inferred at once.
  ir::Value* add(const std::string& op, std::vector<ir::Value*> inputs, Attributes attributes = {});
  ir::Node* add_node(const std::string& op, std::vector<ir::Value*> inputs, int outputs,
                     Attributes attributes = {});
  // A new node whose subgraph the rule fills before calling infer().
  ir::Node* add_node_with_body(const std::string& op, std::vector<ir::Value*> inputs, int outputs,
                               Attributes attributes = {});
  void infer(ir::Node* node);
  ir::Value* constant(Tensor tensor);
  ir::Value* constant(float value) { return constant(Tensor::scalar_f32(value)); }
  ir::Value* constant(const std::vector<int64_t>& values) {
    return constant(Tensor::vector_i64(values));
  }
  // All uses of `from` will become uses of `to`.
  void replace(ir::Value* from, ir::Value* to) { replacements_.emplace_back(from, to); }

  // For the engine.
  void apply(std::string_view rule);
  void abandon();

 private:
  ir::Node& root_;
  std::vector<ir::Node*> nodes_;
  std::vector<std::pair<ir::Value*, ir::Value*>> replacements_;
};

struct Rule {
  const char* name;
  const char* op;  // of the node that it looks at; null: any
  bool (*apply)(ir::Node&, Patch&);
};

// Tries the rules on every node of the graph and its subgraphs, in order, once or more until none
// fires (bounded). Returns whether any did.
bool apply_rules(ir::Graph& graph, std::span<const Rule> rules, PassContext& context);

// --- questions that rules ask -------------------------------------------------------------------

// A float or integer constant whose elements all equal `value`.
bool is_splat(const ir::Value* value, double wanted);
// The common value of all elements, if it is such a constant.
bool splat_value(const ir::Value* value, double* out);
// Producer of `value` if it runs `op`, is of the same graph and nobody else uses the value;
// `any_users`: even if others do.
ir::Node* producer(const ir::Value* value, std::string_view op);
ir::Node* producer_any_users(const ir::Value* value, std::string_view op);
bool has_one_use(const ir::Value* value);
// The integers of a constant input, if it is one.
std::optional<std::vector<int64_t>> constant_integers(const ir::Value* value);
bool is_false(const ir::Value* value);                    // a constant of one element that is 0
bool is_empty(const ir::Value* value);                    // a constant without elements
bool same_shape(const ir::Value* a, const ir::Value* b);  // provably

}  // namespace planish::passes
