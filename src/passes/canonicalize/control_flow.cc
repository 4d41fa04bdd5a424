// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "passes/canonicalize/canonicalize.h"
#include "passes/infer.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::passes {
namespace {

// A loop is unrolled if it has at most so many iterations, and so many nodes afterwards.
constexpr int64_t kMostIterations = 64;
constexpr int64_t kMostNodes = 512;

std::optional<bool> constant_truth(const ir::Value* v) {
  if (v == nullptr || !v->is_constant()) return std::nullopt;
  const Tensor& t = v->constant();
  if (t.dtype() != DType::kBool || t.count() != 1) return std::nullopt;
  return t.data()[0] != std::byte{0};
}

// If(constant, ..) = the branch that is taken
bool inline_branch(ir::Graph& g, ir::Node& node) {
  const auto condition = constant_truth(node.input(0));
  if (!condition) return false;
  ir::Graph* branch = node.subgraph(*condition ? "then_branch" : "else_branch");
  if (branch == nullptr) return false;
  const std::vector<ir::Value*> results = g.inline_graph(*branch, {}, &node);
  for (size_t i = 0; i < node.outputs().size(); ++i)
    if (node.outputs()[i] != nullptr) g.replace_uses(node.outputs()[i], results[i]);
  g.erase(&node);
  return true;
}

// How often a Loop runs, if its count and its condition are known.
std::optional<int64_t> trip_count(const ir::Node& node, const ir::Graph& body) {
  const auto start = constant_truth(node.input(1));
  if (start == false) return 0;
  const auto count = constant_integers(node.input(0));
  if (!count || count->size() != 1) return std::nullopt;
  if (count->front() <= 0) return 0;
  if (node.input(1) == nullptr) return count->front();
  const ir::Value* again = body.outputs()[0];
  const bool goes_on = constant_truth(again) == true || again == body.inputs()[1];
  if (start != true || !goes_on) return std::nullopt;
  return count->front();
}

// Inlines one iteration. Its values get types of their own: symbols made up in the body stand for
// another number each time.
std::vector<ir::Value*> inline_iteration(ir::Graph& g, ir::Node& node, ir::Graph& body,
                                         int64_t number, const std::vector<ir::Value*>& carried) {
  Tensor truth(DType::kBool, {});
  *truth.data() = std::byte{1};
  std::vector<ir::Value*> arguments = {g.add_constant("", Tensor::scalar_i64(number)),
                                       g.add_constant("", std::move(truth))};
  arguments.insert(arguments.end(), carried.begin(), carried.end());
  std::set<int> known;
  for (const auto& n : g.nodes()) known.insert(n->id());
  std::vector<ir::Value*> results = g.inline_graph(body, arguments, &node);
  for (const auto& n : g.nodes())
    if (known.count(n->id()) == 0) try_infer_node(*n, Known::kIgnore);
  return results;
}

ir::Value* gather_scan(ir::Graph& g, ir::Node& node, const std::vector<ir::Value*>& items) {
  std::vector<ir::Value*> rows;
  ir::Value* axes = g.add_constant("", Tensor::vector_i64(std::vector<int64_t>{0}));
  for (ir::Value* item : items) {
    ir::Node* row =
        g.add_node("Unsqueeze", {item, axes}, 1, {.name = node.name(), .before = &node});
    try_infer_node(*row, Known::kIgnore);
    rows.push_back(row->output());
  }
  ir::Node* all =
      g.add_node("Concat", rows, 1,
                 {.name = node.name(), .attributes = {{"axis", int64_t{0}}}, .before = &node});
  try_infer_node(*all, Known::kIgnore);
  return all->output();
}

// Whether each wanted output of a loop of `trips` iterations can be spelled without the loop.
bool can_replace(const ir::Node& node, const ir::Graph& body, size_t carried, int64_t trips) {
  if (body.inputs().size() != carried + 2 || body.outputs().size() != node.outputs().size() + 1)
    return false;
  for (size_t i = 0; i < carried; ++i)
    if (node.inputs()[2 + i] == nullptr) return false;
  for (size_t i = carried; i < node.outputs().size(); ++i) {
    const ir::Value* out = node.outputs()[i];
    const Type& item = body.outputs()[i + 1]->type();
    if (out != nullptr && (!item.is_tensor() || (trips == 0 && !item.is_static()))) return false;
  }
  return true;
}

// Loop(n, true, ..) = its body n times
bool unroll_loop(ir::Graph& g, ir::Node& node) {
  ir::Graph* body = node.subgraph("body");
  if (body == nullptr || body->inputs().size() < 2 || body->outputs().empty() ||
      node.inputs().size() < 2)
    return false;
  const auto trips = trip_count(node, *body);
  const size_t carried_count = node.inputs().size() - 2;
  if (!trips || !can_replace(node, *body, carried_count, *trips)) return false;
  if (*trips > kMostIterations ||
      *trips * static_cast<int64_t>(body->total_node_count()) > kMostNodes)
    return false;
  std::vector<ir::Value*> carried(node.inputs().begin() + 2, node.inputs().end());
  std::vector<std::vector<ir::Value*>> scans(node.outputs().size() - carried_count);
  for (int64_t n = 0; n < *trips; ++n) {
    const auto results = inline_iteration(g, node, *body, n, carried);
    for (size_t i = 0; i < carried_count; ++i) carried[i] = results[1 + i];
    for (size_t i = 0; i < scans.size(); ++i) scans[i].push_back(results[1 + carried_count + i]);
  }
  for (size_t i = 0; i < node.outputs().size(); ++i) {
    ir::Value* out = node.outputs()[i];
    if (out == nullptr) continue;
    ir::Value* result = nullptr;
    if (i < carried_count) {
      result = carried[i];
    } else if (*trips > 0) {
      result = gather_scan(g, node, scans[i - carried_count]);
    } else {
      const Type& item = body->outputs()[i + 1]->type();
      Dims dims = *constant_dims(*item.shape);
      dims.insert(dims.begin(), 0);
      result = g.add_constant("", Tensor(item.dtype, std::move(dims)));
    }
    g.replace_uses(out, result);
  }
  g.erase(&node);
  return true;
}

}  // namespace

bool fold_control_flow(ir::Graph& graph, PassContext& context) {
  bool changed = false;
  for_each_graph(graph, [&](ir::Graph& g) {
    std::vector<ir::Node*> nodes;
    for (const auto& node : g.nodes()) nodes.push_back(node.get());
    for (ir::Node* node : nodes) {
      if (context.check_cancelled) context.check_cancelled();
      if (node->op() == "If")
        changed |= inline_branch(g, *node);
      else if (node->op() == "Loop")
        changed |= unroll_loop(g, *node);
    }
    g.erase_unused_constants();
  });
  if (changed) infer_types(graph, Known::kKeep);
  return changed;
}

}  // namespace planish::passes
