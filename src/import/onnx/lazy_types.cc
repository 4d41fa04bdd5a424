// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/lazy_types.h"

#include <utility>
#include <vector>

#include "ops/op.h"
#include "planish/error.h"

namespace planish::onnx {
namespace {

class NodeInfer final : public InferContext {
 public:
  explicit NodeInfer(ir::Node& node) : node_of_(node) {
    attributes_ = &node.attributes();
    node_ = &node.name();
    op_ = &node.op();
    for (const ir::Value* in : node.inputs()) {
      inputs_.push_back(in ? &in->type() : nullptr);
      constants_.push_back(in && in->is_constant() ? &in->constant() : nullptr);
      contents_.push_back(in && in->contents() ? &*in->contents() : nullptr);
    }
    for (const ir::Value* out : node.outputs()) wanted_.push_back(out != nullptr);
    outputs_.resize(wanted_.size());
    output_contents_.resize(wanted_.size());
  }

  void run(const OpDef& op) {
    op.infer(*this);
    for (size_t i = 0; i < outputs_.size(); ++i) {
      ir::Value* out = node_of_.outputs()[i];
      if (out == nullptr || outputs_[i].kind == Type::Kind::kUnknown) continue;
      out->set_type(std::move(outputs_[i]));
      out->set_contents(std::move(output_contents_[i]));
    }
  }

  Dim fresh_dim() override { return node_of_.graph()->fresh_dim(); }
  std::vector<Type> infer_subgraph(std::string_view, const std::vector<Type>&) override {
    return {};
  }

 private:
  ir::Node& node_of_;
};

void infer_node(ir::Node& node) {
  const OpDef* op = find_op(node.op());
  if (op == nullptr || op->infer == nullptr) return;
  try {
    NodeInfer(node).run(*op);
  } catch (const Error&) {
  }
}

}  // namespace

const Type& LazyTypes::of(ir::Value* value) {
  std::vector<ir::Node*> stack;
  auto push = [&](ir::Value* v) {
    if (v == nullptr || v->type().has_rank() || v->producer() == nullptr) return;
    if (done_.count(v->producer()) == 0) stack.push_back(v->producer());
  };
  push(value);
  while (!stack.empty()) {
    ir::Node* node = stack.back();
    const size_t depth = stack.size();
    if (done_.count(node) == 0)
      for (ir::Value* in : node->inputs()) push(in);
    if (stack.size() != depth) continue;
    stack.pop_back();
    if (done_.insert(node).second) infer_node(*node);
  }
  return value->type();
}

}  // namespace planish::onnx
