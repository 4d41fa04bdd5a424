// SPDX-License-Identifier: Apache-2.0
#include "passes/fuse/fuse.h"

#include <algorithm>
#include <memory>
#include <set>
#include <unordered_map>

#include "passes/pass.h"

namespace planish::passes {
namespace {

struct Group {
  ir::Node* sink;                  // its result is the group's
  std::vector<ir::Node*> members;  // users before producers
  ir::Node* root = nullptr;
};

// A value that belongs into the body rather than to the inputs.
bool goes_inside(const ir::Value* v) { return v->is_constant() && v->constant().count() == 1; }

class Fuser {
 public:
  Fuser(ir::Graph& graph, const FusePolicy& policy) : graph_(graph), policy_(policy) {}

  bool run() {
    std::vector<ir::Node*> nodes;
    for (const auto& node : graph_.nodes()) nodes.push_back(node.get());
    for (auto it = nodes.rbegin(); it != nodes.rend(); ++it)
      if (policy_.is_member(**it))
        place(*it, false);
      else if (policy_.is_root(**it))
        place(*it, true);
    for (auto it = nodes.rbegin(); policy_.is_light_root != nullptr && it != nodes.rend(); ++it)
      if (owner_.count(*it) == 0 && policy_.is_light_root(**it)) place(*it, true);
    bool changed = false;
    for (const auto& group : groups_)
      if (group->members.size() > 1) {
        build(*group);
        changed = true;
      }
    return changed;
  }

 private:
  void place(ir::Node* node, bool root) {
    if (!node->subgraphs().empty() || node->outputs().empty() || node->output() == nullptr) return;
    if (Group* group = group_of_users(node)) {
      const bool fits = static_cast<int>(group->members.size()) < policy_.max_nodes &&
                        input_count(*group, node) <= policy_.max_inputs;
      if (fits && (!root || can_root(*group, *node))) {
        group->members.push_back(node);
        if (root) group->root = node;
        owner_[node] = group;
        return;
      }
    }
    if (root) return;  // alone it is no group
    groups_.push_back(std::make_unique<Group>(Group{node, {node}}));
    owner_[node] = groups_.back().get();
  }

  bool can_root(const Group& group, const ir::Node& node) const {
    return group.root == nullptr &&
           (!policy_.keeps_root_type ||
            group.sink->output()->type().dtype == node.output()->type().dtype);
  }

  // The one group that all users of the node's only result belong to, if the shapes agree.
  Group* group_of_users(const ir::Node* node) const {
    const ir::Value* v = node->output();
    for (size_t i = 1; i < node->outputs().size(); ++i)
      if (node->outputs()[i] != nullptr) return nullptr;
    Group* group = nullptr;
    for (const ir::Use& use : v->uses()) {
      if (use.node == nullptr || use.graph != &graph_) return nullptr;
      const auto it = owner_.find(use.node);
      // What feeds the root is computed before it, not in its tail.
      if (it == owner_.end() || use.node == it->second->root ||
          (group != nullptr && it->second != group))
        return nullptr;
      group = it->second;
    }
    if (group == nullptr || !v->type().has_rank()) return nullptr;
    const Type& result = group->sink->output()->type();
    return result.has_rank() && *result.shape == *v->type().shape ? group : nullptr;
  }

  static int input_count(const Group& group, const ir::Node* extra) {
    std::set<const ir::Value*> inputs;
    std::set<const ir::Node*> inside(group.members.begin(), group.members.end());
    inside.insert(extra);
    for (const ir::Node* node : inside)
      for (const ir::Value* in : node->inputs())
        if (in != nullptr && !goes_inside(in) && inside.count(in->producer()) == 0)
          inputs.insert(in);
    return static_cast<int>(inputs.size());
  }

  void build(const Group& group) {
    std::vector<ir::Node*> nodes(group.members.rbegin(), group.members.rend());
    std::sort(nodes.begin(), nodes.end(),
              [this](const ir::Node* a, const ir::Node* b) { return position(a) < position(b); });
    const std::set<const ir::Node*> inside(nodes.begin(), nodes.end());
    std::vector<ir::Value*> inputs;
    for (ir::Node* node : nodes)
      for (ir::Value* in : node->inputs())
        if (in != nullptr && !goes_inside(in) && inside.count(in->producer()) == 0 &&
            std::find(inputs.begin(), inputs.end(), in) == inputs.end())
          inputs.push_back(in);
    ir::Node* fused = graph_.add_node("planish.Fused", inputs, 1,
                                      {.name = group.sink->name(), .before = group.sink});
    ir::Graph* body = fused->add_subgraph("body");
    std::unordered_map<const ir::Value*, ir::Value*> image;
    for (ir::Value* in : inputs) image[in] = body->add_input(in->name(), in->type());
    for (ir::Node* node : nodes) {
      std::vector<ir::Value*> arguments;
      for (ir::Value* in : node->inputs()) {
        if (in != nullptr && image.count(in) == 0)
          image[in] = body->add_constant(in->name(), in->constant());
        arguments.push_back(in != nullptr ? image[in] : nullptr);
      }
      ir::Node* copy = body->add_node(node->op(), arguments, 1,
                                      {.name = node->name(), .attributes = node->attributes()});
      copy->output()->set_type(node->output()->type());
      image[node->output()] = copy->output();
      fused->add_origins(node->origins().empty() ? std::vector<std::string>{node->name()}
                                                 : node->origins());
    }
    body->add_output(image[group.sink->output()], "y");
    fused->output()->set_type(group.sink->output()->type());
    graph_.replace_uses(group.sink->output(), fused->output());
    const std::string node_name = group.sink->name(), value_name = group.sink->output()->name();
    for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) graph_.erase(*it);
    graph_.rename(fused, node_name);
    graph_.rename(fused->output(), value_name);
  }

  // Place in the node order as it was when the fuser started.
  int position(const ir::Node* node) {
    if (positions_.empty()) {
      int next = 0;
      for (const auto& n : graph_.nodes()) positions_[n.get()] = next++;
    }
    const auto it = positions_.find(node);
    return it == positions_.end() ? -1 : it->second;
  }

  ir::Graph& graph_;
  const FusePolicy& policy_;
  std::vector<std::unique_ptr<Group>> groups_;
  std::unordered_map<const ir::Node*, Group*> owner_;
  std::unordered_map<const ir::Node*, int> positions_;
};

}  // namespace

bool fuse(ir::Graph& graph, const FusePolicy& policy) {
  bool changed = false;
  for_each_graph(graph, [&](ir::Graph& g) {
    if (g.owner() != nullptr && g.owner()->op() == "planish.Fused") return;
    changed |= Fuser(g, policy).run();
    g.erase_unused_constants();
  });
  return changed;
}

}  // namespace planish::passes
