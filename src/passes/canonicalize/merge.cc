// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <unordered_map>

#include "base/str.h"
#include "ops/op.h"
#include "passes/canonicalize/canonicalize.h"

namespace planish::passes {
namespace {

bool same_bits(const Tensor& a, const Tensor& b) { return equal(Attribute(a), Attribute(b)); }

std::string constant_key(const Tensor& t) {
  std::string key = concat(static_cast<int>(t.dtype()), ":", join(t.dims()), ":");
  if (t.dtype() == DType::kString) return key + join(t.string_values(), "\n");
  // The head is enough to tell most apart; same_bits decides.
  key.append(reinterpret_cast<const char*>(t.data()), std::min<size_t>(t.bytes(), 64));
  return key;
}

bool merge_constants(ir::Graph& g) {
  bool changed = false;
  std::unordered_map<std::string, std::vector<ir::Value*>> seen;
  for (ir::Value* c : g.constants()) {
    auto& twins = seen[constant_key(c->constant())];
    const auto twin = std::find_if(twins.begin(), twins.end(), [&](ir::Value* other) {
      return same_bits(other->constant(), c->constant());
    });
    if (twin == twins.end()) {
      twins.push_back(c);
    } else {
      g.replace_uses(c, *twin);
      changed = true;
    }
  }
  g.erase_unused_constants();
  return changed;
}

std::string node_key(const ir::Node& node) {
  std::string key = node.op() + "(";
  for (const ir::Value* in : node.inputs()) key += concat(in ? in->id() : -1, ",");
  key += concat(")", node.outputs().size(), "{");
  for (const auto& [name, value] : node.attributes()) key += name + ",";
  return key;
}

bool same_outputs_wanted(const ir::Node& a, const ir::Node& b) {
  for (size_t i = 0; i < a.outputs().size(); ++i)
    if (b.outputs()[i] != nullptr && a.outputs()[i] == nullptr) return false;
  return true;
}

bool merge_nodes(ir::Graph& g) {
  bool changed = false;
  std::unordered_map<std::string, std::vector<ir::Node*>> seen;
  std::vector<ir::Node*> nodes;
  for (const auto& node : g.nodes()) nodes.push_back(node.get());
  for (ir::Node* node : nodes) {
    if (!node->subgraphs().empty() || !get_op(node->op()).is_pure) continue;
    auto& twins = seen[node_key(*node)];
    const auto twin = std::find_if(twins.begin(), twins.end(), [&](ir::Node* other) {
      return other->attributes() == node->attributes() && same_outputs_wanted(*other, *node);
    });
    if (twin == twins.end()) {
      twins.push_back(node);
      continue;
    }
    for (size_t i = 0; i < node->outputs().size(); ++i)
      if (node->outputs()[i] != nullptr) g.replace_uses(node->outputs()[i], (*twin)->outputs()[i]);
    (*twin)->add_origins({(*twin)->name(), node->name()});
    g.erase(node);
    changed = true;
  }
  return changed;
}

}  // namespace

bool merge_common_nodes(ir::Graph& graph, PassContext&) {
  bool changed = false;
  for_each_graph(graph, [&](ir::Graph& g) {
    changed |= merge_constants(g);
    changed |= merge_nodes(g);
  });
  return changed;
}

}  // namespace planish::passes
