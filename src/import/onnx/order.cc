// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/order.h"

#include <functional>
#include <queue>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/str.h"
#include "planish/error.h"

namespace planish::onnx {
namespace {

using Names = std::unordered_set<std::string_view>;

void collect_used(const pb::NodeProto& node, Names& used);

// Names that a subgraph takes from outside.
void collect_captured(const pb::GraphProto& graph, Names& used) {
  Names inside, made;
  for (const auto& node : graph.node()) {
    collect_used(node, inside);
    made.insert(node.output().begin(), node.output().end());
  }
  for (const auto& input : graph.input()) made.insert(input.name());
  for (const auto& tensor : graph.initializer()) made.insert(tensor.name());
  for (const auto& tensor : graph.sparse_initializer()) made.insert(tensor.values().name());
  for (const auto& output : graph.output()) inside.insert(output.name());
  for (const std::string_view name : inside)
    if (made.count(name) == 0) used.insert(name);
}

void collect_used(const pb::NodeProto& node, Names& used) {
  used.insert(node.input().begin(), node.input().end());
  for (const auto& attribute : node.attribute()) {
    if (attribute.has_g()) collect_captured(attribute.g(), used);
    for (const auto& graph : attribute.graphs()) collect_captured(graph, used);
  }
}

std::unordered_map<std::string_view, int> find_producers(const NodeList& nodes,
                                                         const std::string& what) {
  std::unordered_map<std::string_view, int> producers;
  for (int i = 0; i < nodes.size(); ++i)
    for (const std::string& output : nodes[i].output()) {
      if (output.empty()) continue;
      const auto [it, is_new] = producers.emplace(output, i);
      if (!is_new)
        throw Error(
            ErrorCode::kInvalidModel,
            concat(what, ": value \"", output, "\" is made by node \"",
                   node_name(nodes[it->second]), "\" and by node \"", node_name(nodes[i]), "\""),
            node_name(nodes[i]));
    }
  return producers;
}

}  // namespace

std::string node_name(const pb::NodeProto& node) {
  if (!node.name().empty()) return node.name();
  for (const std::string& output : node.output())
    if (!output.empty()) return output;
  return node.op_type();
}

std::vector<int> node_order(const NodeList& nodes, const std::string& what) {
  const auto producers = find_producers(nodes, what);
  const auto count = static_cast<size_t>(nodes.size());
  std::vector<int> missing(count, 0);
  std::vector<std::vector<int>> followers(count);
  bool is_sorted = true;
  Names used;
  for (int i = 0; i < nodes.size(); ++i) {
    used.clear();
    collect_used(nodes[i], used);
    for (const std::string_view name : used) {
      const auto it = producers.find(name);
      if (it == producers.end()) continue;
      is_sorted = is_sorted && it->second < i;
      ++missing[static_cast<size_t>(i)];
      followers[static_cast<size_t>(it->second)].push_back(i);
    }
  }
  std::vector<int> order;
  order.reserve(count);
  if (is_sorted) {
    for (int i = 0; i < nodes.size(); ++i) order.push_back(i);
    return order;
  }
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (int i = 0; i < nodes.size(); ++i)
    if (missing[static_cast<size_t>(i)] == 0) ready.push(i);
  while (!ready.empty()) {
    const int next = ready.top();
    ready.pop();
    order.push_back(next);
    for (const int follower : followers[static_cast<size_t>(next)])
      if (--missing[static_cast<size_t>(follower)] == 0) ready.push(follower);
  }
  if (order.size() == count) return order;
  std::vector<std::string> stuck;
  for (int i = 0; i < nodes.size() && stuck.size() < 8; ++i)
    if (missing[static_cast<size_t>(i)] > 0)
      stuck.push_back(concat("\"", node_name(nodes[i]), "\""));
  throw Error(ErrorCode::kInvalidModel, concat(what, ": a cycle runs through nodes ", join(stuck)));
}

}  // namespace planish::onnx
