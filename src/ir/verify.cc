// SPDX-License-Identifier: Apache-2.0
#include "ir/verify.h"

#include <algorithm>
#include <unordered_set>

#include "base/str.h"
#include "planish/error.h"

namespace planish::ir {
namespace {

class Verifier {
 public:
  void graph(const Graph& g) {
    std::vector<const Value*> mine;
    auto make = [&](const Value* v) {
      if (v->graph() != &g)
        fail(nullptr, concat("value %", v->name(), " belongs to another graph"));
      if (!made_.insert(v).second) fail(nullptr, concat("value %", v->name(), " is made twice"));
      mine.push_back(v);
      for (const Use& use : v->uses()) check_use(v, use);
    };
    for (size_t i = 0; i < g.inputs().size(); ++i) {
      if (g.inputs()[i]->output_index() != static_cast<int>(i))
        fail(nullptr, concat("input %", g.inputs()[i]->name(), " has a wrong index"));
      make(g.inputs()[i]);
    }
    for (const Value* c : g.constants()) {
      const Tensor& t = c->constant();
      if (!(c->type() == Type::tensor(t.dtype(), Shape(t.dims().begin(), t.dims().end()))))
        fail(nullptr, concat("constant %", c->name(), " has type ", c->type().to_string()));
      make(c);
    }
    for (const auto& node : g.nodes()) {
      if (node->graph() != &g) fail(node.get(), "belongs to another graph");
      for (size_t i = 0; i < node->inputs().size(); ++i)
        if (const Value* in = node->inputs()[i])
          used(in, {node.get(), static_cast<int>(i), node->graph()});
      for (const auto& [name, body] : node->subgraphs()) {
        if (body->owner() != node.get()) fail(node.get(), concat("does not own subgraph ", name));
        graph(*body);
      }
      for (size_t i = 0; i < node->outputs().size(); ++i) {
        const Value* out = node->outputs()[i];
        if (out == nullptr) continue;
        if (out->producer() != node.get() || out->output_index() != static_cast<int>(i))
          fail(node.get(), concat("does not own its output %", out->name()));
        make(out);
      }
    }
    for (size_t i = 0; i < g.outputs().size(); ++i)
      used(g.outputs()[i], {nullptr, static_cast<int>(i), const_cast<Graph*>(&g)});
    // What is made inside a graph is not visible outside of it.
    for (const Value* v : mine) made_.erase(v);
  }

 private:
  [[noreturn]] static void fail(const Node* node, const std::string& what) {
    throw Error(
        ErrorCode::kInternal,
        node ? concat("graph is malformed: ", node->op(), " node \"", node->name(), "\" ", what)
             : concat("graph is malformed: ", what),
        node ? node->name() : "");
  }
  void used(const Value* v, const Use& use) const {
    if (made_.count(v) == 0)
      fail(use.node, concat("uses %", v->name(), " before it is made or outside of its graph"));
    if (std::find(v->uses().begin(), v->uses().end(), use) == v->uses().end())
      fail(use.node, concat("is missing among the uses of %", v->name()));
  }
  static void check_use(const Value* v, const Use& use) {
    const Value* there = use.node != nullptr
                             ? use.node->input(use.index)
                             : (use.index < static_cast<int>(use.graph->outputs().size())
                                    ? use.graph->outputs()[static_cast<size_t>(use.index)]
                                    : nullptr);
    if (there != v) fail(use.node, concat("is listed as a use of %", v->name(), " but is not"));
  }

  std::unordered_set<const Value*> made_;
};

}  // namespace

void verify(const Graph& graph) {
  Verifier verifier;
  verifier.graph(graph);
}

}  // namespace planish::ir
