// SPDX-License-Identifier: Apache-2.0
#include "ir/graph.h"

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "base/str.h"
#include "planish/error.h"

namespace planish::ir {
namespace {

[[noreturn]] void fail_internal(const std::string& what) {
  throw Error(ErrorCode::kInternal, what);
}

}  // namespace

bool Value::is_graph_output() const {
  return std::any_of(uses_.begin(), uses_.end(), [](const Use& u) { return u.node == nullptr; });
}

Graph* Node::subgraph(std::string_view name) const {
  for (const auto& [key, graph] : subgraphs_)
    if (key == name) return graph.get();
  return nullptr;
}

Graph* Node::add_subgraph(std::string name) {
  if (subgraph(name) != nullptr) fail_internal(concat("subgraph ", name, " exists"));
  subgraphs_.emplace_back(std::move(name), std::make_unique<Graph>(this));
  return subgraphs_.back().second.get();
}

void Node::set_input(int i, Value* value) {
  const auto index = static_cast<size_t>(i);
  if (index >= inputs_.size()) inputs_.resize(index + 1, nullptr);
  if (inputs_[index] == value) return;
  if (inputs_[index] != nullptr) Graph::remove_use(inputs_[index], {this, i, graph_});
  inputs_[index] = value;
  if (value != nullptr) Graph::add_use(value, {this, i, graph_});
}

void Node::add_origins(const std::vector<std::string>& names) {
  for (const std::string& name : names)
    if (std::find(origins_.begin(), origins_.end(), name) == origins_.end())
      origins_.push_back(name);
}

Graph::Graph(Node* owner) : owner_(owner) {}

Graph::~Graph() {
  // Subgraphs first: their nodes hold uses of this graph's values. Later nodes first, so that no
  // use outlives its value.
  for (size_t i = 0; i < outputs_.size(); ++i)
    if (outputs_[i] != nullptr) remove_use(outputs_[i], {nullptr, static_cast<int>(i), this});
  while (!nodes_.empty()) {
    Node* node = nodes_.back().get();
    node->subgraphs_.clear();
    for (size_t i = 0; i < node->inputs_.size(); ++i)
      if (node->inputs_[i] != nullptr)
        remove_use(node->inputs_[i], {node, static_cast<int>(i), this});
    nodes_.pop_back();
  }
}

Graph* Graph::outermost() {
  Graph* g = this;
  while (g->owner_ != nullptr) g = g->owner_->graph();
  return g;
}

bool Graph::encloses(const Graph* other) const {
  for (const Graph* g = other; g != nullptr; g = g->parent())
    if (g == this) return true;
  return false;
}

std::vector<Value*> Graph::constants() const {
  std::vector<Value*> out;
  for (const auto& [id, value] : values_)
    if (value->is_constant()) out.push_back(value.get());
  return out;
}

size_t Graph::total_node_count() const {
  size_t n = nodes_.size();
  for (const auto& node : nodes_)
    for (const auto& [name, graph] : node->subgraphs_) n += graph->total_node_count();
  return n;
}

std::string Graph::unique_name(const std::string& wish, std::set<std::string, std::less<>>& taken,
                               const char* stem) {
  if (!wish.empty() && taken.insert(wish).second) return wish;
  const std::string base = wish.empty() ? stem : wish;
  for (size_t i = taken.size();; ++i) {
    std::string name = concat(base, "_", i);
    if (taken.insert(name).second) return name;
  }
}

Value* Graph::new_value(Value::Kind kind, const std::string& name) {
  auto value = std::unique_ptr<Value>(new Value());
  value->id_ = outermost()->next_id_++;
  value->kind_ = kind;
  value->graph_ = this;
  value->name_ = unique_name(name, value_names_, "v");
  Value* out = value.get();
  values_.emplace(out->id_, std::move(value));
  return out;
}

Value* Graph::add_input(const std::string& name, Type type) {
  Value* v = new_value(Value::Kind::kInput, name);
  v->index_ = static_cast<int>(inputs_.size());
  v->type_ = std::move(type);
  inputs_.push_back(v);
  return v;
}

Value* Graph::add_constant(const std::string& name, Tensor tensor) {
  Value* v = new_value(Value::Kind::kConstant, name);
  v->type_ = Type::tensor(tensor.dtype(), Shape(tensor.dims().begin(), tensor.dims().end()));
  v->constant_ = std::move(tensor);
  return v;
}

Node* Graph::add_node(const std::string& op, std::vector<Value*> inputs, int outputs,
                      NodeOptions options) {
  auto owned = std::unique_ptr<Node>(new Node());
  Node* node = owned.get();
  node->id_ = outermost()->next_id_++;
  node->op_ = op;
  node->name_ = unique_name(options.name, node_names_, op.c_str());
  node->graph_ = this;
  node->attributes_ = std::move(options.attributes);
  node->inputs_.resize(inputs.size(), nullptr);
  const auto place = options.before != nullptr ? options.before->place_ : nodes_.end();
  node->place_ = nodes_.insert(place, std::move(owned));
  nodes_by_id_.emplace(node->id_, node);
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i] != nullptr) node->set_input(static_cast<int>(i), inputs[i]);
  for (int i = 0; i < outputs; ++i) {
    if (!options.wanted.empty() && !options.wanted[static_cast<size_t>(i)]) {
      node->outputs_.push_back(nullptr);
      continue;
    }
    Value* v =
        new_value(Value::Kind::kNode, outputs == 1 ? node->name_ : concat(node->name_, ":", i));
    v->producer_ = node;
    v->index_ = i;
    node->outputs_.push_back(v);
  }
  return node;
}

void Graph::add_output(Value* value, const std::string& name) {
  outputs_.push_back(value);
  output_names_.push_back(name);
  add_use(value, {nullptr, static_cast<int>(outputs_.size()) - 1, this});
}

void Graph::set_output(int i, Value* value) {
  Value*& slot = outputs_[static_cast<size_t>(i)];
  remove_use(slot, {nullptr, i, this});
  slot = value;
  add_use(value, {nullptr, i, this});
}

void Graph::clear_outputs() {
  for (size_t i = 0; i < outputs_.size(); ++i)
    remove_use(outputs_[i], {nullptr, static_cast<int>(i), this});
  outputs_.clear();
  output_names_.clear();
}

void Graph::rename(Value* value, const std::string& name) {
  if (value->name_ == name) return;
  value_names_.erase(value->name_);
  value->name_ = unique_name(name, value_names_, "v");
}

void Graph::rename(Node* node, const std::string& name) {
  if (node->name_ == name) return;
  node_names_.erase(node->name_);
  node->name_ = unique_name(name, node_names_, node->op_.c_str());
}

void Graph::remove_input(int i) {
  Value* v = inputs_[static_cast<size_t>(i)];
  if (!v->uses_.empty()) fail_internal(concat("input ", v->name(), " is used"));
  inputs_.erase(inputs_.begin() + i);
  for (size_t k = 0; k < inputs_.size(); ++k) inputs_[k]->index_ = static_cast<int>(k);
  delete_value(v);
}

void Graph::add_use(Value* value, Use use) { value->uses_.push_back(use); }

void Graph::remove_use(Value* value, const Use& use) {
  const auto it = std::find(value->uses_.begin(), value->uses_.end(), use);
  if (it == value->uses_.end()) fail_internal(concat("value ", value->name(), " misses a use"));
  value->uses_.erase(it);
}

void Graph::replace_uses(Value* from, Value* to) {
  if (from == to) return;
  const std::vector<Use> uses = from->uses_;
  for (const Use& use : uses) {
    if (use.node != nullptr)
      use.node->set_input(use.index, to);
    else
      use.graph->set_output(use.index, to);
  }
}

void Graph::delete_value(Value* value) {
  value_names_.erase(value->name_);
  values_.erase(value->id_);
}

void Graph::erase(Node* node) {
  for (Value* out : node->outputs_)
    if (out != nullptr && !out->uses_.empty())
      fail_internal(concat("node ", node->name(), " is erased while ", out->name(), " is used"));
  node->subgraphs_.clear();
  for (size_t i = 0; i < node->inputs_.size(); ++i) node->set_input(static_cast<int>(i), nullptr);
  for (Value* out : node->outputs_)
    if (out != nullptr) delete_value(out);
  node_names_.erase(node->name_);
  nodes_by_id_.erase(node->id_);
  nodes_.erase(node->place_);
}

void Graph::erase_unused_constants() {
  for (auto it = values_.begin(); it != values_.end();) {
    Value* v = it->second.get();
    ++it;
    if (v->is_constant() && v->uses_.empty()) delete_value(v);
  }
}

Node* Graph::find_node(int id) const {
  const auto it = nodes_by_id_.find(id);
  return it == nodes_by_id_.end() ? nullptr : it->second;
}

void Graph::move_before(Node* node, Node* before) {
  nodes_.splice(before != nullptr ? before->place_ : nodes_.end(), nodes_, node->place_);
}

namespace {

// Copies a body's nodes into `into`, before `before`. `map` holds the images of inputs and captured
// values and receives those of constants and node outputs.
void copy_nodes(const Graph& source, Graph& into, Node* before,
                std::unordered_map<const Value*, Value*>& map) {
  auto image = [&map](Value* v) -> Value* {
    if (v == nullptr) return nullptr;
    const auto it = map.find(v);
    return it == map.end() ? v : it->second;
  };
  for (Value* c : source.constants()) map[c] = into.add_constant(c->name(), c->constant());
  for (const auto& node : source.nodes()) {
    NodeOptions options{.name = node->name(), .attributes = node->attributes(), .before = before};
    for (Value* out : node->outputs()) options.wanted.push_back(out != nullptr);
    std::vector<Value*> inputs;
    for (Value* in : node->inputs()) inputs.push_back(image(in));
    Node* copy =
        into.add_node(node->op(), inputs, static_cast<int>(node->outputs().size()), options);
    copy->add_origins(node->origins());
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      const Value* out = node->outputs()[i];
      if (out == nullptr) continue;
      Value* twin = copy->outputs()[i];
      twin->set_type(out->type());
      twin->set_contents(out->contents());
      into.rename(twin, out->name());
      map[out] = twin;
    }
    for (const auto& [name, graph] : node->subgraphs()) {
      Graph* sub = copy->add_subgraph(name);
      sub->set_name(graph->name());
      std::unordered_map<const Value*, Value*> inner = map;
      for (Value* in : graph->inputs()) inner[in] = sub->add_input(in->name(), in->type());
      copy_nodes(*graph, *sub, nullptr, inner);
      for (size_t i = 0; i < graph->outputs().size(); ++i) {
        Value* out = graph->outputs()[i];
        const auto it = inner.find(out);
        sub->add_output(it == inner.end() ? out : it->second,
                        graph->output_name(static_cast<int>(i)));
      }
    }
  }
}

}  // namespace

std::vector<Value*> Graph::inline_graph(Graph& body, const std::vector<Value*>& arguments,
                                        Node* before) {
  if (arguments.size() != body.inputs().size())
    fail_internal(concat("inlining ", body.name(), ": ", arguments.size(), " arguments for ",
                         body.inputs().size(), " inputs"));
  std::unordered_map<const Value*, Value*> map;
  for (size_t i = 0; i < arguments.size(); ++i) map[body.inputs()[i]] = arguments[i];
  copy_nodes(body, *this, before, map);
  std::vector<Value*> out;
  for (Value* v : body.outputs()) {
    const auto it = map.find(v);
    out.push_back(it == map.end() ? v : it->second);
  }
  return out;
}

void Graph::copy_from(const Graph& source, const std::map<const Value*, Value*>& captured) {
  name_ = source.name_;
  metadata_ = source.metadata_;
  Graph* top = outermost();
  top->next_fresh_ =
      std::max(top->next_fresh_, const_cast<Graph&>(source).outermost()->next_fresh_);
  std::unordered_map<const Value*, Value*> map(captured.begin(), captured.end());
  for (Value* in : source.inputs()) map[in] = add_input(in->name(), in->type());
  copy_nodes(source, *this, nullptr, map);
  for (size_t i = 0; i < source.outputs().size(); ++i) {
    Value* out = source.outputs()[i];
    const auto it = map.find(out);
    add_output(it == map.end() ? out : it->second, source.output_names_[i]);
  }
}

void Graph::sort_nodes() {
  // A node is ready when every value that it or its subgraphs use from this graph is made.
  std::unordered_map<const Node*, int> missing;
  std::unordered_map<const Node*, std::vector<Node*>> waiting;
  std::function<void(Node*, Node*)> visit = [&](Node* top, Node* node) {
    for (Value* in : node->inputs())
      if (in != nullptr && in->graph() == this && in->producer() != nullptr &&
          in->producer() != top) {
        ++missing[top];
        waiting[in->producer()].push_back(top);
      }
    for (const auto& [name, graph] : node->subgraphs()) {
      for (const auto& inner : graph->nodes()) visit(top, inner.get());
      for (Value* out : graph->outputs())
        if (out->graph() == this && out->producer() != nullptr) {
          ++missing[top];
          waiting[out->producer()].push_back(top);
        }
    }
  };
  std::vector<Node*> order, original;
  for (const auto& node : nodes_) original.push_back(node.get());
  for (Node* node : original) visit(node, node);
  std::vector<Node*> stack;
  for (Node* node : original) {
    if (missing[node] != 0) continue;
    stack.push_back(node);
    missing[node] = -1;
    while (!stack.empty()) {
      Node* next = stack.back();
      stack.pop_back();
      order.push_back(next);
      auto& followers = waiting[next];
      for (auto it = followers.rbegin(); it != followers.rend(); ++it)
        if (missing[*it] > 0 && --missing[*it] == 0) {
          missing[*it] = -1;
          stack.push_back(*it);
        }
    }
  }
  if (order.size() != original.size()) {
    std::vector<std::string> names;
    for (Node* node : original)
      if (missing[node] > 0 && names.size() < 8) names.push_back(node->name());
    throw Error(ErrorCode::kInvalidModel,
                concat("the graph has a cycle through nodes ", join(names)),
                names.empty() ? "" : names[0]);
  }
  for (Node* node : order) nodes_.splice(nodes_.end(), nodes_, node->place_);
}

Dim Graph::fresh_dim() {
  Graph* top = outermost();
  return Dim::symbol(concat("?", ++top->next_fresh_));
}

}  // namespace planish::ir
