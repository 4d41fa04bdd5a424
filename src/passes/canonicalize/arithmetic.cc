// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "passes/canonicalize/algebra.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::passes {
namespace {

bool is_f32(const ir::Value* v) { return v->type().is_tensor() && v->type().dtype == DType::kF32; }

// c + x = x + c, c * x = x * c for a constant c
bool constant_second(ir::Node& node, Patch& patch) {
  if (!node.input(0)->is_constant() || node.input(1)->is_constant()) return false;
  patch.replace(node.output(),
                patch.add(node.op(), {node.input(1), node.input(0)}, node.attributes()));
  return true;
}

// x - c = x + (-c), floats
bool subtract_constant(ir::Node& node, Patch& patch) {
  const ir::Value* c = node.input(1);
  if (!c->is_constant() || node.input(0)->is_constant() || !is_float(c->type().dtype)) return false;
  Tensor t(c->type().dtype, c->constant().dims());
  std::vector<double> values = load<double>(c->constant());
  for (double& v : values) v = -v;
  store(t, values);
  patch.replace(node.output(), patch.add("Add", {node.input(0), patch.constant(std::move(t))}));
  return true;
}

// The smallest and largest magnitude of the elements that are not 0, and their signs.
struct Extent {
  double least = HUGE_VAL, most = 0;
  bool has_negative = false, has_positive = false, is_finite = true;
};

Extent extent_of(const Tensor& t) {
  Extent e;
  for (double v : load<double>(t)) {
    e.is_finite &= std::isfinite(v);
    e.has_negative |= v < 0;
    e.has_positive |= v > 0;
    if (v != 0) e.least = std::min(e.least, std::fabs(v));
    e.most = std::max(e.most, std::fabs(v));
  }
  return e;
}

bool grows_no_larger(const Tensor& a, const Tensor& b) {
  Dims dims(std::max(a.dims().size(), b.dims().size()), 1);
  for (const Tensor* t : {&a, &b})
    for (size_t i = 0; i < t->dims().size(); ++i) {
      int64_t& d = dims[dims.size() - t->dims().size() + i];
      d = std::max(d, t->dims()[i]);
    }
  return element_count(dims) <= std::max(a.count(), b.count());
}

// (x + a) + b = x + (a + b), where a and b cannot cancel;
// (x * a) * b = x * (a * b), where that neither over- nor underflows
bool join_constants(ir::Node& node, Patch& patch) {
  const ir::Node* inner = producer(node.input(0), node.op());
  if (inner == nullptr || !is_f32(node.output())) return false;
  ir::Value *a = inner->input(1), *b = node.input(1);
  if (!a->is_constant() || !b->is_constant() || inner->input(0)->is_constant()) return false;
  constexpr int64_t kMaxCount = 1 << 16;
  if (a->constant().count() > kMaxCount || b->constant().count() > kMaxCount) return false;
  if (a->constant().count() == 0 || b->constant().count() == 0) return false;
  if (!grows_no_larger(a->constant(), b->constant())) return false;
  const Extent ea = extent_of(a->constant()), eb = extent_of(b->constant());
  if (!ea.is_finite || !eb.is_finite) return false;
  if (node.op() == "Add" &&
      ((ea.has_negative || eb.has_negative) && (ea.has_positive || eb.has_positive)))
    return false;
  if (node.op() == "Mul" && (ea.most * eb.most > 1e30 || ea.least * eb.least < 1e-30)) return false;
  ir::Value* joint = patch.add(node.op(), {a, b});
  patch.replace(node.output(), patch.add(node.op(), {inner->input(0), joint}));
  return true;
}

// x * -1 = Neg(x)
bool negate(ir::Node& node, Patch& patch) {
  if (!is_splat(node.input(1), -1) || !same_shape(node.output(), node.input(0))) return false;
  const DTypeClass c = dtype_class(node.output()->type().dtype);
  if (c != DTypeClass::kFloat && c != DTypeClass::kSigned) return false;
  patch.replace(node.output(), patch.add("Neg", {node.input(0)}));
  return true;
}

// Where(true, x, y) = x, Where(false, x, y) = y, Where(c, x, x) = x, if that has the result's shape
bool constant_choice(ir::Node& node, Patch& patch) {
  ir::Value* chosen = node.input(1) == node.input(2) ? node.input(1) : nullptr;
  const ir::Value* c = node.input(0);
  if (chosen == nullptr && c->is_constant() && c->constant().dtype() == DType::kBool &&
      c->constant().count() > 0) {
    const std::byte* bits = c->constant().data();
    const bool first = bits[0] != std::byte{0};
    for (int64_t i = 0; i < c->constant().count(); ++i)
      if ((bits[i] != std::byte{0}) != first) return false;
    chosen = node.input(first ? 1 : 2);
  }
  if (chosen == nullptr || !same_shape(chosen, node.output())) return false;
  patch.replace(node.output(), chosen);
  return true;
}

std::optional<std::vector<int64_t>> reduced_axes(const ir::Node& node) {
  auto axes = constant_integers(node.input(1));
  if (!axes || axes->empty() || !node.input(0)->type().has_rank()) return std::nullopt;
  for (int64_t& axis : *axes)
    if (axis < 0) axis += static_cast<int64_t>(node.input(0)->type().shape->size());
  std::sort(axes->begin(), axes->end());
  return axes;
}

// Reduce(Reduce(x, a), b) = Reduce(x, a and b) of one kind, both keeping or both dropping dims
bool reduce_twice(ir::Node& node, Patch& patch) {
  const ir::Node* inner = producer(node.input(0), node.op());
  if (inner == nullptr || !is_float(node.output()->type().dtype)) return false;
  const auto outer_axes = reduced_axes(node), inner_axes = reduced_axes(*inner);
  const bool keeps = node.attributes().integer("keepdims", 1) != 0;
  if (!outer_axes || !inner_axes || keeps != (inner->attributes().integer("keepdims", 1) != 0))
    return false;
  std::vector<int64_t> left;  // axes of x that the inner reduction leaves, if it drops dims
  const auto rank = static_cast<int64_t>(inner->input(0)->type().shape->size());
  for (int64_t axis = 0; axis < rank; ++axis)
    if (keeps || std::find(inner_axes->begin(), inner_axes->end(), axis) == inner_axes->end())
      left.push_back(axis);
  std::vector<int64_t> axes = *inner_axes;
  for (int64_t axis : *outer_axes) {
    const int64_t own = left[static_cast<size_t>(axis)];
    if (std::find(axes.begin(), axes.end(), own) == axes.end()) axes.push_back(own);
  }
  std::sort(axes.begin(), axes.end());
  patch.replace(node.output(), patch.add(node.op(), {inner->input(0), patch.constant(axes)},
                                         {{"keepdims", static_cast<int64_t>(keeps)}}));
  return true;
}

// Reduce(x) over axes of size 1 = Squeeze(x), or x where dims are kept
bool reduce_nothing(ir::Node& node, Patch& patch) {
  const auto axes = reduced_axes(node);
  if (!axes) return false;
  const Shape& shape = *node.input(0)->type().shape;
  for (int64_t axis : *axes)
    if (!(shape[static_cast<size_t>(axis)] == Dim(1))) return false;
  const bool keeps = node.attributes().integer("keepdims", 1) != 0;
  patch.replace(node.output(), keeps
                                   ? node.input(0)
                                   : patch.add("Squeeze", {node.input(0), patch.constant(*axes)}));
  return true;
}

constexpr Rule kRules[] = {
    {"constant-second-term", "Add", constant_second},
    {"constant-second-factor", "Mul", constant_second},
    {"subtract-constant", "Sub", subtract_constant},
    {"join-terms", "Add", join_constants},
    {"join-factors", "Mul", join_constants},
    {"negate", "Mul", negate},
    {"constant-choice", "Where", constant_choice},
    {"reduce-mean-twice", "ReduceMean", reduce_twice},
    {"reduce-sum-twice", "ReduceSum", reduce_twice},
    {"reduce-max-twice", "ReduceMax", reduce_twice},
    {"reduce-min-twice", "ReduceMin", reduce_twice},
    {"reduce-mean-of-nothing", "ReduceMean", reduce_nothing},
    {"reduce-sum-of-nothing", "ReduceSum", reduce_nothing},
    {"reduce-max-of-nothing", "ReduceMax", reduce_nothing},
    {"reduce-min-of-nothing", "ReduceMin", reduce_nothing},
    {"reduce-prod-of-nothing", "ReduceProd", reduce_nothing},
};

}  // namespace

bool simplify_arithmetic(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRules, context);
}

}  // namespace planish::passes
