// SPDX-License-Identifier: Apache-2.0
#include "passes/canonicalize/scalar_forms.h"

#include <algorithm>
#include <cmath>

#include "passes/rewrite.h"

namespace planish::passes {
namespace {

constexpr int kMaxDepth = 12;

ir::Node* producer_in(const ir::Value* v, const ir::Graph* graph) {
  return v->producer() != nullptr && v->graph() == graph ? v->producer() : nullptr;
}

void take_apart(ir::Value* v, bool is_top, int depth, Product& out) {
  double number = 0;
  if (splat_value(v, &number)) {
    out.factor *= number;
    return;
  }
  ir::Node* node = v->producer();
  const bool goes_on = node != nullptr && depth > 0 &&
                       (is_top || (has_one_use(v) && v->uses()[0].graph == v->graph() &&
                                   v->uses()[0].node != nullptr));
  if (goes_on && node->op() == "Mul") {
    out.nodes.push_back(node);
    take_apart(node->input(0), false, depth - 1, out);
    take_apart(node->input(1), false, depth - 1, out);
  } else if (goes_on && node->op() == "Neg") {
    out.nodes.push_back(node);
    out.factor = -out.factor;
    take_apart(node->input(0), false, depth - 1, out);
  } else if (goes_on && node->op() == "Div" && splat_value(node->input(1), &number) &&
             number != 0) {
    out.nodes.push_back(node);
    out.factor /= number;
    take_apart(node->input(0), false, depth - 1, out);
  } else {
    out.factors.push_back(v);
  }
}

std::optional<Polynomial> multiply(const Polynomial& a, const Polynomial& b) {
  Polynomial out(a.size() + b.size() - 1, 0.0);
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t k = 0; k < b.size(); ++k) out[i + k] += a[i] * b[k];
  while (out.size() > 1 && out.back() == 0) out.pop_back();
  if (out.size() > kMaxDegree + 1) return std::nullopt;
  return out;
}

Polynomial sum(const Polynomial& a, const Polynomial& b, double sign) {
  Polynomial out(std::max(a.size(), b.size()), 0.0);
  for (size_t i = 0; i < a.size(); ++i) out[i] += a[i];
  for (size_t i = 0; i < b.size(); ++i) out[i] += sign * b[i];
  return out;
}

class PolynomialReader {
 public:
  PolynomialReader(const ir::Value* x, const ir::Graph* graph, std::vector<ir::Node*>& nodes)
      : x_(x), graph_(graph), nodes_(nodes) {}

  std::optional<Polynomial> read(ir::Value* v, int depth) {
    double number = 0;
    if (v == x_) return Polynomial{0, 1};
    if (splat_value(v, &number)) return Polynomial{number};
    ir::Node* node = depth > 0 ? producer_in(v, graph_) : nullptr;
    if (node == nullptr) return std::nullopt;
    const auto out = read_node(*node, depth - 1);
    if (out && std::find(nodes_.begin(), nodes_.end(), node) == nodes_.end())
      nodes_.push_back(node);
    return out;
  }

 private:
  std::optional<Polynomial> read_node(const ir::Node& node, int depth) {
    const std::string& op = node.op();
    const bool is_binary = op == "Add" || op == "Sub" || op == "Mul" || op == "Div" || op == "Pow";
    if (!is_binary && op != "Neg") return std::nullopt;
    const auto a = read(node.input(0), depth);
    if (!a) return std::nullopt;
    if (op == "Neg") return sum({0}, *a, -1);
    const auto b = read(node.input(1), depth);
    if (!b) return std::nullopt;
    if (op == "Add") return sum(*a, *b, 1);
    if (op == "Sub") return sum(*a, *b, -1);
    if (op == "Mul") return multiply(*a, *b);
    if (b->size() != 1) return std::nullopt;
    const double number = (*b)[0];
    if (op == "Div") return number == 0 ? std::nullopt : multiply(*a, {1 / number});
    if (number != 2 && number != 3) return std::nullopt;
    auto power = multiply(*a, *a);
    return power && number == 3 ? multiply(*power, *a) : power;
  }

  const ir::Value* x_;
  const ir::Graph* graph_;
  std::vector<ir::Node*>& nodes_;
};

void find_leaves(ir::Value* v, const ir::Graph* graph, int depth, std::vector<ir::Value*>& leaves) {
  double number = 0;
  if (splat_value(v, &number) || leaves.size() > 1) return;
  const ir::Node* node = depth > 0 ? producer_in(v, graph) : nullptr;
  const bool is_binary =
      node != nullptr && (node->op() == "Add" || node->op() == "Sub" || node->op() == "Mul" ||
                          (node->op() == "Div" && splat_value(node->input(1), &number)));
  if (is_binary || (node != nullptr && node->op() == "Neg")) {
    for (ir::Value* in : node->inputs()) find_leaves(in, graph, depth - 1, leaves);
  } else if (std::find(leaves.begin(), leaves.end(), v) == leaves.end()) {
    leaves.push_back(v);
  }
}

}  // namespace

Product product_of(ir::Value* v) {
  Product out;
  take_apart(v, true, kMaxDepth, out);
  return out;
}

std::optional<Polynomial> polynomial_in(ir::Value* v, const ir::Value* x,
                                        std::vector<ir::Node*>& nodes) {
  return PolynomialReader(x, v->graph(), nodes).read(v, kMaxDepth);
}

ir::Value* only_leaf(ir::Value* v) {
  std::vector<ir::Value*> leaves;
  find_leaves(v, v->graph(), kMaxDepth, leaves);
  return leaves.size() == 1 ? leaves[0] : nullptr;
}

bool is_near(double a, double b, DType dtype) {
  const double tolerance = dtype == DType::kF32 || dtype == DType::kF64 ? 1e-5 : 4e-3;
  return std::fabs(a - b) <= tolerance * std::max(std::fabs(a), std::fabs(b));
}

bool is_near(const Polynomial& a, const Polynomial& b, DType dtype) {
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i)
    if (!is_near(i < a.size() ? a[i] : 0, i < b.size() ? b[i] : 0, dtype)) return false;
  return true;
}

}  // namespace planish::passes
