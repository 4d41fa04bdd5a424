// SPDX-License-Identifier: Apache-2.0
// Networks made by hand: calls of the C interface on an ir::Graph.
#include <memory>

#include "base/str.h"
#include "capi/compiler/build.h"
#include "capi/runtime/handles.h"
#include "ir/graph.h"
#include "ops/op.h"
#include "passes/infer.h"

using planish::Attribute;
using planish::Dim;
using planish::Error;
using planish::ErrorCode;
using planish::Shape;
using planish::Type;
using planish::capi::deref;
using planish::capi::guard;
using planish::capi::text;
namespace ir = planish::ir;

struct planish_network {
  // A node that is being made, and the subgraph of it that is open, if one is.
  struct Open {
    ir::Node* node;
    size_t first_value = 0;  // of those made inside the node
    ir::Graph* body = nullptr;
  };
  std::unique_ptr<ir::Graph> graph = std::make_unique<ir::Graph>();
  std::vector<ir::Value*> values;
  std::vector<Open> open;
  std::vector<std::string> types;  // text handed out by planish_network_type

  ir::Graph& current() {
    if (open.empty()) return *graph;
    if (open.back().body == nullptr)
      throw Error(ErrorCode::kInvalidArgument, "a node is open: end it, or begin a subgraph of it");
    return *open.back().body;
  }
  ir::Node& node() {
    if (open.empty() || open.back().body != nullptr)
      throw Error(ErrorCode::kInvalidArgument, "no node is open: begin one first");
    return *open.back().node;
  }
  ir::Value* value(int id) const {
    if (id < 0 || static_cast<size_t>(id) >= values.size())
      throw Error(ErrorCode::kInvalidArgument,
                  planish::concat("value ", id, ": the network has ", values.size()));
    return values[static_cast<size_t>(id)];
  }
  int add(ir::Value* v) {
    values.push_back(v);
    return static_cast<int>(values.size()) - 1;
  }
};

namespace {

Dim parse_dim(const std::string& dim, ir::Graph& graph) {
  if (dim == "?") return graph.fresh_dim();
  const Dim d = Dim::parse(dim);
  if (d.is_constant() && d.value() < 0)
    throw Error(ErrorCode::kInvalidArgument,
                planish::concat("dimension \"", dim, "\" is negative"));
  return d;
}

void set_attribute(planish_network* network, const char* name, Attribute value) {
  deref(network, "network").node().attributes().set(text(name, "name"), std::move(value));
}

}  // namespace

planish_status planish_network_create(const char* name, planish_network** network) {
  return guard([&] {
    auto made = std::make_unique<planish_network>();
    made->graph->set_name(text(name, "name"));
    deref(network, "network") = made.release();
  });
}

void planish_network_release(planish_network* network) { delete network; }

planish_status planish_network_add_input(planish_network* network, const char* name, int dtype,
                                         int rank, const char* const* dims, int* value) {
  return guard([&] {
    planish_network& n = deref(network, "network");
    ir::Graph& g = n.current();
    if (!planish::is_valid_dtype(dtype))
      throw Error(ErrorCode::kInvalidArgument,
                  planish::concat("input \"", text(name, "name"), "\": dtype ", dtype,
                                  " is no number of onnx.TensorProto.DataType"));
    for (const ir::Value* in : g.inputs())
      if (in->name() == text(name, "name"))
        throw Error(ErrorCode::kInvalidArgument,
                    planish::concat("there is an input \"", name, "\" already"));
    Type type = Type::tensor(static_cast<planish::DType>(dtype));
    if (rank >= 0) {
      type.shape.emplace();
      for (int i = 0; i < rank; ++i)
        type.shape->push_back(parse_dim(text(dims[i], "a dimension"), g));
    }
    deref(value, "value") = n.add(g.add_input(name, std::move(type)));
  });
}

planish_status planish_network_add_constant(planish_network* network, const char* name,
                                            const planish_value* tensor, int* value) {
  return guard([&] {
    planish_network& n = deref(network, "network");
    deref(value, "value") =
        n.add(n.current().add_constant(text(name, "name"), deref(tensor, "tensor").datum.tensor()));
  });
}

planish_status planish_network_begin_node(planish_network* network, const char* op,
                                          const char* name, int inputs, const int* values,
                                          int outputs) {
  return guard([&] {
    planish_network& n = deref(network, "network");
    planish::get_op(text(op, "op"));
    if (inputs < 0 || outputs < 0 || outputs > 4096)
      throw Error(ErrorCode::kInvalidArgument, "the number of inputs or outputs is out of range");
    std::vector<ir::Value*> in;
    ir::Graph& g = n.current();
    for (int i = 0; i < inputs; ++i) {
      in.push_back(values[i] == -1 ? nullptr : n.value(values[i]));
      if (in.back() != nullptr && !in.back()->graph()->encloses(&g))
        throw Error(ErrorCode::kInvalidArgument,
                    planish::concat("input ", i, " of ", op, " node \"", name,
                                    "\" is not visible in this graph"));
    }
    n.open.push_back(
        {g.add_node(op, std::move(in), outputs, {.name = text(name, "name")}), n.values.size()});
  });
}

planish_status planish_network_set_int(planish_network* network, const char* name, int64_t v) {
  return guard([&] { set_attribute(network, name, v); });
}
planish_status planish_network_set_float(planish_network* network, const char* name, double v) {
  return guard([&] { set_attribute(network, name, v); });
}
planish_status planish_network_set_string(planish_network* network, const char* name,
                                          const char* v) {
  return guard([&] { set_attribute(network, name, std::string(text(v, "value"))); });
}
planish_status planish_network_set_ints(planish_network* network, const char* name, size_t n,
                                        const int64_t* v) {
  return guard([&] { set_attribute(network, name, std::vector<int64_t>(v, v + n)); });
}
planish_status planish_network_set_floats(planish_network* network, const char* name, size_t n,
                                          const double* v) {
  return guard([&] { set_attribute(network, name, std::vector<double>(v, v + n)); });
}
planish_status planish_network_set_strings(planish_network* network, const char* name, size_t n,
                                           const char* const* v) {
  return guard([&] {
    std::vector<std::string> all;
    for (size_t i = 0; i < n; ++i) all.emplace_back(text(v[i], "value"));
    set_attribute(network, name, std::move(all));
  });
}
planish_status planish_network_set_tensor(planish_network* network, const char* name,
                                          const planish_value* v) {
  return guard([&] { set_attribute(network, name, deref(v, "value").datum.tensor()); });
}

planish_status planish_network_begin_subgraph(planish_network* network, const char* name) {
  return guard([&] {
    planish_network& n = deref(network, "network");
    ir::Node& node = n.node();
    if (node.subgraph(text(name, "name")) != nullptr)
      throw Error(ErrorCode::kInvalidArgument,
                  planish::concat("the node has a subgraph \"", name, "\" already"));
    n.open.back().body = node.add_subgraph(name);
  });
}

planish_status planish_network_end_subgraph(planish_network* network) {
  return guard([&] {
    planish_network& n = deref(network, "network");
    if (n.open.empty() || n.open.back().body == nullptr)
      throw Error(ErrorCode::kInvalidArgument, "no subgraph is open");
    n.open.back().body = nullptr;
  });
}

planish_status planish_network_end_node(planish_network* network, int* values) {
  return guard([&] {
    planish_network& n = deref(network, "network");
    ir::Node& node = n.node();
    const size_t first_value = n.open.back().first_value;
    n.open.pop_back();
    std::vector<std::string> bodies;
    for (const auto& [name, body] : node.subgraphs()) bodies.push_back(name);
    try {
      planish::check_node(planish::get_op(node.op()), node.name(), node.attributes(), bodies,
                          static_cast<int>(node.inputs().size()),
                          static_cast<int>(node.outputs().size()));
      planish::passes::infer_node(node);
    } catch (...) {
      n.values.resize(first_value);
      node.graph()->erase(&node);
      throw;
    }
    for (size_t i = 0; i < node.outputs().size(); ++i) values[i] = n.add(node.outputs()[i]);
  });
}

void planish_network_abandon_node(planish_network* network) {
  if (network == nullptr || network->open.empty()) return;
  const planish_network::Open open = network->open.back();
  network->open.pop_back();
  network->values.resize(open.first_value);
  open.node->graph()->erase(open.node);
}

planish_status planish_network_mark_output(planish_network* network, int value, const char* name) {
  return guard([&] {
    planish_network& n = deref(network, "network");
    ir::Value* v = n.value(value);
    ir::Graph& g = n.current();
    if (!v->graph()->encloses(&g))
      throw Error(ErrorCode::kInvalidArgument, planish::concat("output \"", text(name, "name"),
                                                               "\" is not visible in this graph"));
    for (size_t i = 0; i < g.outputs().size(); ++i)
      if (g.output_name(static_cast<int>(i)) == text(name, "name"))
        throw Error(ErrorCode::kInvalidArgument,
                    planish::concat("there is an output \"", name, "\" already"));
    g.add_output(v, name);
  });
}

planish_status planish_network_type(planish_network* network, int value, const char** type) {
  return guard([&] {
    planish_network& n = deref(network, "network");
    const auto at = static_cast<size_t>(value);
    const std::string current = n.value(value)->type().to_string();
    if (n.types.size() < n.values.size()) n.types.resize(n.values.size());
    if (n.types[at] != current) n.types[at] = current;
    deref(type, "type") = n.types[at].c_str();
  });
}

planish_status planish_network_set_metadata(planish_network* network, const char* key,
                                            const char* value) {
  return guard([&] {
    planish_network& n = deref(network, "network");
    n.graph->metadata()[text(key, "key")] = text(value, "value");
  });
}

planish_status planish_network_build(planish_network* network, const planish_options* options,
                                     planish_engine** engine) {
  return guard([&] {
    planish_network& n = deref(network, "network");
    if (!n.open.empty()) throw Error(ErrorCode::kInvalidArgument, "a node is open: end it first");
    if (n.graph->outputs().empty())
      throw Error(ErrorCode::kInvalidArgument, "the network has no output", "",
                  "mark one with mark_output");
    // The network stays as it is, for another build with other options.
    auto copy = std::make_unique<ir::Graph>();
    copy->copy_from(*n.graph);
    const planish::BuildRequest request = planish::capi::build_request(options);
    deref(engine, "engine") =
        planish::capi::make_engine(planish::build_graph(std::move(copy), request), request.options);
  });
}
