// SPDX-License-Identifier: Apache-2.0
// ai.onnx.preview.training.Gradient: derivatives of a value by others, written out as nodes by the
// chain rule, from the value back. Ops that are smooth and pointwise, and MatMul.
#include <algorithm>
#include <map>
#include <set>

#include "base/str.h"
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

using Values = std::vector<ir::Value*>;

// The contributions of one node to its inputs' derivatives, given that of its output.
class ChainRule {
 public:
  explicit ChainRule(NodeContext& c) : c_(c) {}

  // Parallel to the node's inputs; null: the derivative is 0.
  Values apply(const ir::Node& node, ir::Value* g) {
    const std::string& op = node.op();
    ir::Value *a = node.input(0), *b = node.input(1), *y = node.output();
    if (op == "Identity") return {g};
    if (op == "Neg") return {mul(g, number(-1, y))};
    if (op == "Add") return {like(g, a), like(g, b)};
    if (op == "Sub") return {like(g, a), like(mul(g, number(-1, y)), b)};
    if (op == "Mul") return {like(mul(g, b), a), like(mul(g, a), b)};
    if (op == "Div") return {like(div(g, b), a), like(mul(div(mul(g, y), b), number(-1, y)), b)};
    if (op == "Sum") return sum(node, g);
    if (op == "Exp") return {mul(g, y)};
    if (op == "Log") return {div(g, a)};
    if (op == "Sqrt") return {div(g, mul(y, number(2, y)))};
    if (op == "Sin") return {mul(g, c_.emit("Cos", {a}))};
    if (op == "Cos") return {mul(mul(g, c_.emit("Sin", {a})), number(-1, y))};
    if (op == "Tanh") return {mul(g, one_less(mul(y, y)))};
    if (op == "Sigmoid") return {mul(g, mul(y, one_less(y)))};
    if (op == "Relu")
      return {c_.emit("Where", {c_.emit("Greater", {a, number(0, a)}), g, number(0, a)})};
    if (op == "MatMul") return product(a, b, g);
    c_.unsupported(concat("the derivative of ", op, " is not known"));
  }

  ir::Value* add(ir::Value* a, ir::Value* b) { return c_.emit("Add", {a, b}); }
  ir::Value* number(double value, ir::Value* like) {
    return c_.constant_like(value, like, "number");
  }

 private:
  ir::Value* mul(ir::Value* a, ir::Value* b) { return c_.emit("Mul", {a, b}); }
  ir::Value* div(ir::Value* a, ir::Value* b) { return c_.emit("Div", {a, b}); }
  ir::Value* one_less(ir::Value* a) { return c_.emit("Sub", {number(1, a), a}); }

  Values sum(const ir::Node& node, ir::Value* g) {
    Values out;
    for (ir::Value* in : node.inputs()) out.push_back(like(g, in));
    return out;
  }

  Values product(ir::Value* a, ir::Value* b, ir::Value* g) {
    if (c_.rank(a) != 2 || c_.rank(b) != 2)
      c_.unsupported("the derivative of MatMul is known for matrices only");
    const Attributes turn{{"perm", std::vector<int64_t>{1, 0}}};
    return {c_.emit("MatMul", {g, c_.emit("Transpose", {b}, turn)}),
            c_.emit("MatMul", {c_.emit("Transpose", {a}, turn), g})};
  }

  // What was broadcast is summed again, to the shape of `v`.
  ir::Value* like(ir::Value* g, ir::Value* v) {
    const auto from = c_.dims(g), to = c_.dims(v);
    if (!from || !to) c_.unsupported("derivatives need shapes that are known");
    if (*from == *to) return g;
    const size_t lead = from->size() - to->size();
    std::vector<int64_t> axes;
    for (size_t i = 0; i < from->size(); ++i)
      if (i < lead || (*to)[i - lead] != (*from)[i]) axes.push_back(static_cast<int64_t>(i));
    ir::Value* sums = c_.emit("ReduceSum", {g, c_.constant_i64s(axes, "axes")});
    return c_.emit("Reshape", {sums, c_.constant_i64s(*to, "shape")});
  }

  NodeContext& c_;
};

// Nodes between the xs and y, y's first.
std::vector<ir::Node*> path(ir::Value* y, const Values& xs) {
  std::set<const ir::Value*> reached(xs.begin(), xs.end());
  std::vector<ir::Node*> nodes;
  for (const auto& node : y->graph()->nodes()) {
    const bool depends = std::any_of(node->inputs().begin(), node->inputs().end(),
                                     [&](ir::Value* in) { return reached.count(in) != 0; });
    if (!depends) continue;
    bool is_x = false;
    for (ir::Value* out : node->outputs()) is_x |= std::find(xs.begin(), xs.end(), out) != xs.end();
    if (is_x) continue;
    reached.insert(node->outputs().begin(), node->outputs().end());
    nodes.push_back(node.get());
  }
  std::reverse(nodes.begin(), nodes.end());
  return nodes;
}

void import_gradient(NodeContext& c) {
  Values xs;
  for (const std::string& name : c.attributes().texts("xs")) xs.push_back(c.named(name));
  ir::Value* y = c.named(c.attributes().text("y"));
  c.require(c.output_count() <= static_cast<int>(xs.size()), "there are more outputs than xs");
  for (size_t i = 0; i < xs.size(); ++i)
    if (c.input(static_cast<int>(i)) != xs[i])
      c.unsupported("derivatives are taken where the graph is: the inputs must be the xs");
  ChainRule rule(c);
  std::map<const ir::Value*, ir::Value*> derivative;
  const std::vector<ir::Node*> nodes = path(y, xs);
  derivative[y] = c.emit("Expand", {rule.number(1, y), c.emit("Shape", {y})});
  for (const ir::Node* node : nodes) {
    const auto g = derivative.find(node->output());
    if (g == derivative.end()) continue;
    const Values parts = rule.apply(*node, g->second);
    for (size_t i = 0; i < parts.size(); ++i) {
      ir::Value*& sum = derivative[node->inputs()[i]];
      sum = sum == nullptr ? parts[i] : rule.add(sum, parts[i]);
    }
  }
  for (size_t i = 0; i < xs.size(); ++i) {
    if (!c.wants(static_cast<int>(i))) continue;
    ir::Value* g = derivative.count(xs[i]) != 0 ? derivative[xs[i]] : nullptr;
    if (g == nullptr) g = c.emit("Expand", {rule.number(0, xs[i]), c.emit("Shape", {xs[i]})});
    c.set_output(static_cast<int>(i), g);
  }
}

const RegisterImporter kGradient("Gradient", import_gradient, "ai.onnx.preview.training");

}  // namespace
}  // namespace planish::onnx
