// SPDX-License-Identifier: Apache-2.0
#include "backend/ref/compile/interpreter.h"

#include <unordered_map>

#include "base/str.h"
#include "ops/evaluate.h"
#include "planish/error.h"

namespace planish::ref {
namespace {

class Interpreter {
 public:
  Interpreter(RunBudget& budget, const ValueObserver& observer)
      : budget_(budget), observer_(observer) {}

  std::vector<Datum> run(const ir::Graph& graph, std::vector<Datum> inputs) {
    if (inputs.size() != graph.inputs().size())
      throw Error(ErrorCode::kInvalidArgument,
                  concat("graph \"", graph.name(), "\": expected ", graph.inputs().size(),
                         " inputs, got ", inputs.size()));
    for (size_t i = 0; i < inputs.size(); ++i) put(graph.inputs()[i], std::move(inputs[i]));
    for (const ir::Value* c : graph.constants()) data_[c] = Datum(c->constant());
    for (const auto& node : graph.nodes()) step(*node);
    std::vector<Datum> out;
    for (const ir::Value* v : graph.outputs()) out.push_back(data_.at(v));
    return out;
  }

 private:
  class Subgraphs final : public SubgraphRunner {
   public:
    Subgraphs(Interpreter& self, const ir::Node& node) : self_(self), node_(node) {}
    bool has(std::string_view name) const override { return node_.subgraph(name) != nullptr; }
    std::vector<Datum> run(std::string_view name, std::vector<Datum> inputs) override {
      const ir::Graph* graph = node_.subgraph(name);
      if (graph == nullptr)
        throw Error(ErrorCode::kInternal, concat("node ", node_.name(), " has no subgraph ", name));
      return self_.run(*graph, std::move(inputs));
    }
    std::vector<Type> output_types(std::string_view name) const override {
      std::vector<Type> types;
      if (const ir::Graph* graph = node_.subgraph(name))
        for (const ir::Value* out : graph->outputs()) types.push_back(out->type());
      return types;
    }

   private:
    Interpreter& self_;
    const ir::Node& node_;
  };

  void put(const ir::Value* value, Datum datum) {
    if (observer_) observer_(*value, datum);
    data_[value] = std::move(datum);
    // The body of a loop makes its values anew in every iteration; those that are also outputs of
    // the body keep a count from the last one.
    uses_left_.erase(value);
  }

  void step(const ir::Node& node) {
    std::vector<const Datum*> inputs;
    for (const ir::Value* in : node.inputs()) inputs.push_back(in ? &data_.at(in) : nullptr);
    std::vector<Datum> made(node.outputs().size());
    std::vector<Datum*> outputs;
    for (size_t i = 0; i < made.size(); ++i)
      outputs.push_back(node.outputs()[i] ? &made[i] : nullptr);
    Subgraphs subgraphs(*this, node);
    evaluate(get_op(node.op()), node.name(), node.attributes(), inputs, outputs, &subgraphs,
             budget_);
    for (size_t i = 0; i < made.size(); ++i)
      if (node.outputs()[i] != nullptr) put(node.outputs()[i], std::move(made[i]));
    release_inputs(node);
  }

  // Frees what no later node of the same graph uses. A value that crosses into a subgraph is kept:
  // the subgraph may run again.
  void release_inputs(const ir::Node& node) {
    for (const ir::Value* in : node.inputs()) {
      if (in == nullptr || in->is_constant() || in->graph() != node.graph()) continue;
      int& left = uses_left_.try_emplace(in, static_cast<int>(in->uses().size())).first->second;
      if (--left == 0) {
        data_.erase(in);
        uses_left_.erase(in);
      }
    }
  }

  RunBudget& budget_;
  const ValueObserver& observer_;
  std::unordered_map<const ir::Value*, Datum> data_;
  std::unordered_map<const ir::Value*, int> uses_left_;
};

}  // namespace

std::vector<Datum> interpret(const ir::Graph& graph, std::vector<Datum> inputs, RunBudget& budget,
                             const ValueObserver& observer) {
  return Interpreter(budget, observer).run(graph, std::move(inputs));
}

}  // namespace planish::ref
