// SPDX-License-Identifier: Apache-2.0
#include "backend/ref/compile/isolate.h"

#include <algorithm>

#include "base/str.h"
#include "passes/infer.h"

namespace planish::ref {
namespace {

// What a dimension is taken for that no profile says anything about.
constexpr int64_t kUsualBatch = 1;
constexpr int64_t kUsualSize = 128;

// Names by position. Two rounds, so that no old name is in the way of a fresh one.
void rename_all(ir::Graph& graph) {
  for (const char* stem : {"\1", "v"}) {
    int next = 0;
    const auto rename = [&](ir::Value* v) {
      if (v != nullptr) graph.rename(v, concat(stem, next++));
    };
    for (ir::Value* v : graph.inputs()) rename(v);
    for (ir::Value* v : graph.constants()) rename(v);
    for (const auto& node : graph.nodes())
      for (ir::Value* v : node->outputs()) rename(v);
  }
  graph.set_name("");
}

}  // namespace

UsualSizes::UsualSizes(const ir::Graph& graph, const UsualShapes& shapes) {
  for (const ir::Value* in : graph.inputs()) {
    if (!in->type().has_rank()) continue;
    const Shape& shape = *in->type().shape;
    const auto given = shapes.find(in->name());
    for (size_t i = 0; i < shape.size(); ++i) {
      if (!shape[i].is_symbol()) continue;
      const DimRange range = shape[i].range();
      const bool is_given = given != shapes.end() && given->second.size() == shape.size();
      const int64_t value =
          is_given ? given->second[i]
                   : std::clamp(i == 0 ? kUsualBatch : kUsualSize, range.min, range.max);
      symbols_.emplace(shape[i].symbol_name(), value);
    }
  }
}

std::optional<int64_t> UsualSizes::of(const Dim& dim) const {
  return dim.evaluate([&](const std::string& name) -> std::optional<int64_t> {
    const auto found = symbols_.find(name);
    return found == symbols_.end() ? std::nullopt : std::optional(found->second);
  });
}

std::optional<NodeDims> UsualSizes::of_inputs(const ir::Node& node) const {
  NodeDims all;
  for (const ir::Value* in : node.inputs()) {
    Dims& dims = all.emplace_back();
    if (in == nullptr || in->is_constant()) continue;
    if (!in->type().has_rank()) return std::nullopt;
    for (const Dim& d : *in->type().shape) {
      const auto value = of(d);
      if (!value || *value < 1) return std::nullopt;
      dims.push_back(*value);
    }
  }
  return all;
}

std::unique_ptr<ir::Graph> isolate(const ir::Node& node, const NodeDims& dims) {
  auto graph = std::make_unique<ir::Graph>();
  std::map<const ir::Value*, ir::Value*> copies;
  std::vector<ir::Value*> inputs;
  for (size_t i = 0; i < node.inputs().size(); ++i) {
    const ir::Value* in = node.inputs()[i];
    ir::Value*& copy = copies[in];
    if (in != nullptr && copy == nullptr)
      copy = in->is_constant()
                 ? graph->add_constant("", in->constant())
                 : graph->add_input(
                       "", Type::tensor(in->type().dtype, Shape(dims[i].begin(), dims[i].end())));
    inputs.push_back(copy);
  }
  ir::NodeOptions options{.name = "node", .attributes = node.attributes()};
  for (const ir::Value* out : node.outputs()) options.wanted.push_back(out != nullptr);
  ir::Node* copy = graph->add_node(node.op(), inputs, static_cast<int>(node.outputs().size()),
                                   std::move(options));
  for (const auto& [name, body] : node.subgraphs()) {
    ir::Graph* sub = copy->add_subgraph(name);
    sub->copy_from(*body);
    rename_all(*sub);
  }
  if (!passes::try_infer_node(*copy, passes::Known::kIgnore)) return nullptr;
  rename_all(*graph);
  for (ir::Value* out : copy->outputs())
    if (out != nullptr) graph->add_output(out, out->name());
  return graph;
}

}  // namespace planish::ref
