// SPDX-License-Identifier: Apache-2.0
#include "passes/infer.h"

#include "base/str.h"
#include "ops/control_flow.h"
#include "ops/evaluate.h"
#include "ops/op.h"
#include "planish/error.h"

namespace planish::passes {
namespace {

class GraphInfer final : public InferContext {
 public:
  GraphInfer(ir::Node& target, Known known) : target_(target), known_(known) {
    attributes_ = &target.attributes();
    node_ = &target.name();
    op_ = &target.op();
    for (const ir::Value* in : target.inputs()) {
      inputs_.push_back(in ? &in->type() : nullptr);
      constants_.push_back(in && in->is_constant() ? &in->constant() : nullptr);
      contents_.push_back(in && in->contents() ? &*in->contents() : nullptr);
    }
    for (const ir::Value* out : target.outputs()) wanted_.push_back(out != nullptr);
    outputs_.resize(target.outputs().size());
    output_contents_.resize(target.outputs().size());
  }

  Dim fresh_dim() override {
    Dim d = target_.graph()->fresh_dim();
    fresh_.insert(d.symbol_name());
    return d;
  }

  std::vector<Type> infer_subgraph(std::string_view name,
                                   const std::vector<Type>& inputs) override {
    ir::Graph* graph = target_.subgraph(name);
    if (graph == nullptr) return {};
    if (inputs.size() != graph->inputs().size())
      fail(concat("subgraph \"", name, "\": expected ", inputs.size(), " inputs, got ",
                  graph->inputs().size()),
           ErrorCode::kInvalidModel);
    for (size_t i = 0; i < inputs.size(); ++i) graph->inputs()[i]->set_type(inputs[i]);
    // A loop's rule may come here twice with wider types: what the first round found does not hold.
    infer_types(*graph, Known::kIgnore);
    std::vector<Type> out;
    for (const ir::Value* v : graph->outputs()) out.push_back(v->type());
    return out;
  }

  void publish() {
    for (size_t i = 0; i < outputs_.size(); ++i) {
      ir::Value* out = target_.outputs()[i];
      if (out == nullptr) continue;
      if (known_ == Known::kKeep) keep_names(out->type(), outputs_[i]);
      out->set_type(std::move(outputs_[i]));
      out->set_contents(std::move(output_contents_[i]));
    }
  }

 private:
  // Where the rule made a symbol up, the symbol (or better) of an earlier round stays, and so does
  // a number.
  void keep_names(const Type& old, Type& now) const {
    if (!old.has_rank() || !now.has_rank() || old.shape->size() != now.shape->size()) return;
    for (size_t i = 0; i < now.shape->size(); ++i) {
      Dim& d = (*now.shape)[i];
      const Dim& before = (*old.shape)[i];
      const bool made_up = d.is_symbol() && fresh_.count(d.symbol_name()) != 0;
      if (made_up || (before.is_constant() && !d.is_constant())) d = before;
    }
  }

  ir::Node& target_;
  Known known_;
  std::set<std::string> fresh_;
};

}  // namespace

void infer_node(ir::Node& node, Known known) {
  try {
    GraphInfer rule(node, known);
    const OpDef& op = get_op(node.op());
    check_inputs_present(op, rule);
    op.infer(rule);
    rule.publish();
  } catch (const Error& e) {
    if (!e.node().empty()) throw;
    throw Error(e.code(), concat(node.op(), " node \"", node.name(), "\": ", e.what()), node.name(),
                e.hint());
  }
}

bool try_infer_node(ir::Node& node, Known known) {
  try {
    infer_node(node, known);
    return true;
  } catch (const Error& error) {
    if (!is_contradiction(error)) throw;
    return false;
  }
}

void infer_types(ir::Graph& graph, Known known) {
  for (const auto& node : graph.nodes()) infer_node(*node, known);
}

}  // namespace planish::passes
