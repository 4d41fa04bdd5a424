// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numeric>

#include "passes/canonicalize/algebra.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::passes {
namespace {

bool is_real(const ir::Value* v) {
  return v != nullptr && v->type().is_tensor() && is_float(v->type().dtype);
}

// The node's result has the shape of `x` (an exponent or divisor may broadcast it to another).
bool keeps_shape(const ir::Node& node, const ir::Value* x) { return same_shape(node.output(), x); }

// Whether no element of v is negative (it may be NaN).
bool is_never_negative(const ir::Value* v, int depth) {
  double number = 0;
  if (splat_value(v, &number)) return number >= 0;
  const ir::Node* node = v->producer();
  if (node == nullptr || depth == 0) return false;
  const std::string& op = node->op();
  if (op == "Relu" || op == "Abs" || op == "Exp" || op == "Sqrt" || op == "Sigmoid" ||
      op == "Softmax" || op == "ReduceSumSquare" || op == "ReduceL2" || op == "ReduceL1")
    return true;
  if (op == "Mul" && node->input(0) == node->input(1)) return true;
  if (op == "Add" || op == "Mul" || op == "Max" || op == "Min" || op == "Div")
    return std::all_of(node->inputs().begin(), node->inputs().end(),
                       [&](const ir::Value* in) { return is_never_negative(in, depth - 1); });
  if (op == "ReduceMean" || op == "ReduceSum" || op == "ReduceMax" || op == "Reshape" ||
      op == "Transpose" || op == "Cast" || op == "Clip")
    return is_never_negative(node->input(0), depth - 1) &&
           (op != "Clip" || node->input(1) == nullptr || is_never_negative(node->input(1), 0)) &&
           (op != "Clip" || node->input(2) == nullptr || is_never_negative(node->input(2), 0));
  return false;
}

// Pow(x, 2) = x * x;  Pow(x, 3) = x * x * x;  Pow(x, -1) = 1 / x;  Pow(x, 0.5) = Sqrt(x) and
// Pow(x, -0.5) = 1 / Sqrt(x) where x is not negative, since Pow(-inf, 0.5) is inf.
bool simplify_pow(ir::Node& node, Patch& patch) {
  ir::Value* x = node.input(0);
  double exponent = 0;
  if (!is_real(x) || !keeps_shape(node, x) || !splat_value(node.input(1), &exponent)) return false;
  ir::Value* y = nullptr;
  if (exponent == 2)
    y = patch.add("Mul", {x, x});
  else if (exponent == 3)
    y = patch.add("Mul", {patch.add("Mul", {x, x}), x});
  else if (exponent == 0.5 && is_never_negative(x, 8))
    y = patch.add("Sqrt", {x});
  else if (exponent == -0.5 && is_never_negative(x, 8))
    y = patch.add("Reciprocal", {patch.add("Sqrt", {x})});
  else if (exponent == -1)
    y = patch.add("Reciprocal", {x});
  if (y == nullptr) return false;
  patch.replace(node.output(), y);
  return true;
}

// x / c = x * (1 / c), within half a unit in the last place; not for c whose inverse is not normal
bool divide_by_constant(ir::Node& node, Patch& patch) {
  ir::Value* c = node.input(1);
  if (!is_real(node.input(0)) || c == nullptr || !c->is_constant() ||
      c->type().dtype != DType::kF32)
    return false;
  std::vector<float> values = load<float>(c->constant());
  for (float& v : values) {
    const float inverse = 1.0F / v;
    if (!std::isnormal(v) || !std::isnormal(inverse)) return false;
    v = inverse;
  }
  Tensor t(DType::kF32, c->constant().dims());
  store(t, values);
  patch.replace(node.output(), patch.add("Mul", {node.input(0), patch.constant(std::move(t))}));
  return true;
}

// x / Sqrt(y) stays; 1 / x = Reciprocal(x)
bool one_over(ir::Node& node, Patch& patch) {
  if (!is_real(node.input(1)) || !is_splat(node.input(0), 1) || !keeps_shape(node, node.input(1)))
    return false;
  patch.replace(node.output(), patch.add("Reciprocal", {node.input(1)}));
  return true;
}

// GlobalAveragePool(x) = ReduceMean(x, spatial axes); GlobalMaxPool likewise
bool global_pool(ir::Node& node, Patch& patch) {
  const ir::Value* x = node.input(0);
  if (!x->type().has_rank() || x->type().shape->size() < 3) return false;
  std::vector<int64_t> axes(x->type().shape->size() - 2);
  std::iota(axes.begin(), axes.end(), 2);
  patch.replace(node.output(),
                patch.add(node.op() == "GlobalAveragePool" ? "ReduceMean" : "ReduceMax",
                          {node.input(0), patch.constant(axes)}));
  return true;
}

// Reduce(x) without axes = Reduce(x, all axes); negative axes count from the front
bool canonical_axes(ir::Node& node, Patch& patch) {
  const ir::Value* x = node.input(0);
  if (!x->type().has_rank() || x->type().shape->empty()) return false;
  const auto rank = static_cast<int64_t>(x->type().shape->size());
  std::vector<int64_t> axes;
  if (node.input(1) == nullptr || is_empty(node.input(1))) {
    if (node.attributes().integer("noop_with_empty_axes", 0) != 0) return false;
    axes.resize(static_cast<size_t>(rank));
    std::iota(axes.begin(), axes.end(), 0);
  } else {
    const auto given = constant_integers(node.input(1));
    if (!given) return false;
    for (int64_t axis : *given) axes.push_back(axis < 0 ? axis + rank : axis);
    std::sort(axes.begin(), axes.end());
    if (axes == *given) return false;
  }
  Attributes attributes = node.attributes();
  attributes.erase("noop_with_empty_axes");
  patch.replace(node.output(),
                patch.add(node.op(), {node.input(0), patch.constant(axes)}, attributes));
  return true;
}

// Sum(a, b, c) = Add(Add(a, b), c)
bool sum_is_add(ir::Node& node, Patch& patch) {
  if (node.inputs().size() < 2 || !is_real(node.input(0))) return false;
  ir::Value* y = node.input(0);
  for (size_t i = 1; i < node.inputs().size(); ++i) y = patch.add("Add", {y, node.inputs()[i]});
  patch.replace(node.output(), y);
  return true;
}

constexpr Rule kRules[] = {
    {"simplify-pow", "Pow", simplify_pow},
    {"divide-by-constant", "Div", divide_by_constant},
    {"one-over", "Div", one_over},
    {"global-average-pool", "GlobalAveragePool", global_pool},
    {"global-max-pool", "GlobalMaxPool", global_pool},
    {"canonical-axes-mean", "ReduceMean", canonical_axes},
    {"canonical-axes-sum", "ReduceSum", canonical_axes},
    {"canonical-axes-max", "ReduceMax", canonical_axes},
    {"canonical-axes-min", "ReduceMin", canonical_axes},
    {"canonical-axes-prod", "ReduceProd", canonical_axes},
    {"sum-is-add", "Sum", sum_is_add},
};

}  // namespace

bool reduce_strength(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRules, context);
}

}  // namespace planish::passes
