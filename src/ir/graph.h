// SPDX-License-Identifier: Apache-2.0
// The graph: nodes and the values between them, in SSA form.
//
// A value is a graph input, a constant (it holds a tensor) or an output of one node, and belongs to
// one graph. Nodes are kept in an order in which every value is made before it is used. A node may
// own subgraphs (bodies of control flow, bodies of fusions); nodes of a subgraph may use values of
// the enclosing graphs. Iteration order is the order of nodes, never of addresses.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tensor/attributes.h"
#include "tensor/tensor.h"
#include "tensor/type.h"

namespace planish::ir {

class Graph;
class Node;

struct Use {
  Node* node;  // null: output number `index` of `graph`
  int index;
  Graph* graph;
  bool operator==(const Use&) const = default;
};

class Value {
 public:
  enum class Kind : uint8_t { kInput, kConstant, kNode };

  int id() const { return id_; }  // unique in the outermost graph, stable
  Kind kind() const { return kind_; }
  bool is_constant() const { return kind_ == Kind::kConstant; }
  Graph* graph() const { return graph_; }
  // The model's name for it, or one derived from it; unique in its graph.
  const std::string& name() const { return name_; }

  Node* producer() const { return producer_; }          // kNode
  int output_index() const { return index_; }           // kNode: which output; kInput: which input
  const Tensor& constant() const { return constant_; }  // kConstant

  const Type& type() const { return type_; }
  void set_type(Type type) { type_ = std::move(type); }
  // Integer elements known as dims (see ops/op.h Contents); constants need none.
  const std::optional<std::vector<std::optional<Dim>>>& contents() const { return contents_; }
  void set_contents(std::optional<std::vector<std::optional<Dim>>> c) { contents_ = std::move(c); }

  // In no particular order, but deterministic. Includes uses inside nested graphs.
  const std::vector<Use>& uses() const { return uses_; }
  bool is_graph_output() const;

 private:
  friend class Graph;
  friend class Node;
  Value() = default;
  int id_ = 0;
  Kind kind_ = Kind::kNode;
  Graph* graph_ = nullptr;
  std::string name_;
  Node* producer_ = nullptr;
  int index_ = 0;
  Tensor constant_;
  Type type_;
  std::optional<std::vector<std::optional<Dim>>> contents_;
  std::vector<Use> uses_;
};

class Node {
 public:
  int id() const { return id_; }
  const std::string& op() const { return op_; }      // name of an OpDef
  const std::string& name() const { return name_; }  // the model's, or a made-up unique one
  Graph* graph() const { return graph_; }

  // Null where an optional input is absent.
  const std::vector<Value*>& inputs() const { return inputs_; }
  Value* input(int i) const {
    return i < static_cast<int>(inputs_.size()) ? inputs_[static_cast<size_t>(i)] : nullptr;
  }
  // Null where an output is not wanted.
  const std::vector<Value*>& outputs() const { return outputs_; }
  Value* output(int i = 0) const {
    return i < static_cast<int>(outputs_.size()) ? outputs_[static_cast<size_t>(i)] : nullptr;
  }

  const Attributes& attributes() const { return attributes_; }
  Attributes& attributes() { return attributes_; }

  const std::vector<std::pair<std::string, std::unique_ptr<Graph>>>& subgraphs() const {
    return subgraphs_;
  }
  Graph* subgraph(std::string_view name) const;  // null if there is none
  Graph* add_subgraph(std::string name);

  void set_input(int i, Value* value);  // extends the list if needed
  void set_op(std::string op) { op_ = std::move(op); }
  // Names of the model's nodes that this node stands for, for messages and reports.
  const std::vector<std::string>& origins() const { return origins_; }
  void add_origins(const std::vector<std::string>& names);

 private:
  friend class Graph;
  Node() = default;
  int id_ = 0;
  std::string op_;
  std::string name_;
  Graph* graph_ = nullptr;
  std::vector<Value*> inputs_;
  std::vector<Value*> outputs_;
  Attributes attributes_;
  std::vector<std::pair<std::string, std::unique_ptr<Graph>>> subgraphs_;
  std::vector<std::string> origins_;
  std::list<std::unique_ptr<Node>>::iterator place_;
};

struct NodeOptions {
  std::string name;  // empty: made up from the op
  Attributes attributes;
  std::vector<bool> wanted;  // empty: all outputs are wanted
  Node* before = nullptr;    // null: at the end
};

class Graph {
 public:
  Graph() : Graph(nullptr) {}
  explicit Graph(Node* owner);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  Node* owner() const { return owner_; }  // null for the outermost graph
  Graph* parent() const { return owner_ ? owner_->graph() : nullptr; }
  Graph* outermost();
  bool encloses(const Graph* other) const;  // true for itself

  const std::vector<Value*>& inputs() const { return inputs_; }
  const std::vector<Value*>& outputs() const { return outputs_; }
  const std::list<std::unique_ptr<Node>>& nodes() const { return nodes_; }
  std::vector<Value*> constants() const;
  size_t node_count() const { return nodes_.size(); }
  Node* find_node(int id) const;    // null if it is not here (any more)
  size_t total_node_count() const;  // with subgraphs

  // Names that are empty or taken are replaced by unique ones.
  Value* add_input(const std::string& name, Type type);
  Value* add_constant(const std::string& name, Tensor tensor);
  Node* add_node(const std::string& op, std::vector<Value*> inputs, int outputs,
                 NodeOptions options = {});
  // The name of an output of the graph as the user sees it may differ from the value's.
  void add_output(Value* value, const std::string& name);
  void set_output(int i, Value* value);
  const std::string& output_name(int i) const { return output_names_[static_cast<size_t>(i)]; }
  void clear_outputs();
  void rename(Value* value, const std::string& name);
  void rename(Node* node, const std::string& name);
  void remove_input(int i);  // must be unused (kInternal)

  // All uses of `from` (also in nested graphs and as outputs) become uses of `to`.
  void replace_uses(Value* from, Value* to);
  // The node's outputs must be unused (kInternal).
  void erase(Node* node);
  void erase_unused_constants();
  void move_before(Node* node, Node* before);  // before == null: to the end
  // Moves all nodes and constants of `body` (a graph without owner or of another node) before
  // `before`, its inputs replaced by `arguments`; returns the values of its outputs.
  std::vector<Value*> inline_graph(Graph& body, const std::vector<Value*>& arguments, Node* before);
  // Copies nodes, constants (tensors are shared), inputs and outputs of `source` into this empty
  // graph; captured values are mapped through `captured` (identity where absent).
  void copy_from(const Graph& source, const std::map<const Value*, Value*>& captured = {});
  // Stable topological sort (for importers of unsorted models). Throws kInvalidModel on a cycle,
  // naming its nodes.
  void sort_nodes();

  // Symbols that are not dims of inputs: fresh names "?1", "?2", ...
  Dim fresh_dim();
  std::map<std::string, std::string>& metadata() { return metadata_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }

 private:
  friend class Node;
  Value* new_value(Value::Kind kind, const std::string& name);
  std::string unique_name(const std::string& wish, std::set<std::string, std::less<>>& taken,
                          const char* stem);
  static void add_use(Value* value, Use use);
  static void remove_use(Value* value, const Use& use);
  void delete_value(Value* value);

  Node* owner_;
  std::string name_;
  std::map<int, std::unique_ptr<Value>> values_;  // by id
  std::list<std::unique_ptr<Node>> nodes_;
  std::unordered_map<int, Node*> nodes_by_id_;
  std::vector<Value*> inputs_;
  std::vector<Value*> outputs_;
  std::vector<std::string> output_names_;
  std::set<std::string, std::less<>> value_names_;
  std::set<std::string, std::less<>> node_names_;
  std::map<std::string, std::string> metadata_;
  int next_id_ = 0;     // outermost only
  int next_fresh_ = 0;  // outermost only
};

}  // namespace planish::ir
