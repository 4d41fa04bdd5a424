// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "passes/canonicalize/algebra.h"
#include "passes/rewrite.h"

namespace planish::passes {
namespace {

// Replaces the node by its first input if both surely have the same type.
bool replace_by(ir::Node& node, Patch& patch, ir::Value* x) {
  ir::Value* y = node.output();
  if (y == nullptr || x == nullptr || !(x->type().dtype == y->type().dtype)) return false;
  if (!same_shape(x, y)) return false;
  patch.replace(y, x);
  return true;
}

// Identity(x) = x
bool drop_identity(ir::Node& node, Patch& patch) {
  patch.replace(node.output(), node.input(0));
  return true;
}

// Cast(x, type of x) = x
bool drop_cast(ir::Node& node, Patch& patch) { return replace_by(node, patch, node.input(0)); }

// Dropout(x) = x unless it trains
bool drop_dropout(ir::Node& node, Patch& patch) {
  const ir::Value* training = node.input(2);
  if (training != nullptr && !is_false(training)) return false;
  if (node.output(1) != nullptr || node.output(0) == nullptr) return false;
  patch.replace(node.output(0), node.input(0));
  return true;
}

// x + 0 = 0 + x = x. A -0 in x becomes +0 in the sum; as values they are equal.
bool drop_zero_term(ir::Node& node, Patch& patch) {
  if (is_splat(node.input(1), 0)) return replace_by(node, patch, node.input(0));
  if (node.op() == "Add" && is_splat(node.input(0), 0))
    return replace_by(node, patch, node.input(1));
  return false;
}

// x * 1 = 1 * x = x / 1 = x
bool drop_unit_factor(ir::Node& node, Patch& patch) {
  if (is_splat(node.input(1), 1)) return replace_by(node, patch, node.input(0));
  if (node.op() == "Mul" && is_splat(node.input(0), 1))
    return replace_by(node, patch, node.input(1));
  return false;
}

// Pow(x, 1) = x
bool drop_unit_power(ir::Node& node, Patch& patch) {
  return is_splat(node.input(1), 1) && replace_by(node, patch, node.input(0));
}

// Neg(Neg(x)) = x, Not(Not(x)) = x
bool drop_double_inverse(ir::Node& node, Patch& patch) {
  const ir::Node* inner = producer_any_users(node.input(0), node.op());
  if (inner == nullptr) return false;
  patch.replace(node.output(), inner->input(0));
  return true;
}

// Relu(Relu(x)) = Relu(x), and the same of other idempotent ops
bool drop_repeated(ir::Node& node, Patch& patch) {
  if (producer_any_users(node.input(0), node.op()) == nullptr) return false;
  patch.replace(node.output(), node.input(0));
  return true;
}

// Concat(x) = x
bool drop_single_concat(ir::Node& node, Patch& patch) {
  if (node.inputs().size() != 1) return false;
  patch.replace(node.output(), node.input(0));
  return true;
}

// Expand(x, shape of x) = x
bool drop_expand(ir::Node& node, Patch& patch) { return replace_by(node, patch, node.input(0)); }

// Pad(x, 0...) = x
bool drop_pad(ir::Node& node, Patch& patch) {
  const auto pads = constant_integers(node.input(1));
  return pads && std::all_of(pads->begin(), pads->end(), [](int64_t p) { return p == 0; }) &&
         replace_by(node, patch, node.input(0));
}

// Slice(x) that starts at 0, steps by 1 and keeps the shape = x
bool drop_slice(ir::Node& node, Patch& patch) {
  const auto starts = constant_integers(node.input(1));
  if (!starts || !std::all_of(starts->begin(), starts->end(), [](int64_t s) { return s == 0; }))
    return false;
  if (node.input(4) != nullptr) {
    const auto steps = constant_integers(node.input(4));
    if (!steps || !std::all_of(steps->begin(), steps->end(), [](int64_t s) { return s == 1; }))
      return false;
  }
  return replace_by(node, patch, node.input(0));
}

// Clip(x) without bounds = x
bool drop_clip(ir::Node& node, Patch& patch) {
  return node.input(1) == nullptr && node.input(2) == nullptr &&
         replace_by(node, patch, node.input(0));
}

// Tile(x, 1...) = x; Sum(x) = Mean(x) = Max(x) = Min(x) = x of one input
bool drop_tile(ir::Node& node, Patch& patch) {
  const auto repeats = constant_integers(node.input(1));
  return repeats &&
         std::all_of(repeats->begin(), repeats->end(), [](int64_t r) { return r == 1; }) &&
         replace_by(node, patch, node.input(0));
}
bool drop_single_fold(ir::Node& node, Patch& patch) {
  return node.inputs().size() == 1 && replace_by(node, patch, node.input(0));
}

// Reshape(Reshape(x, s), t) = Reshape(x, t), if t copies no dim of the inner result
bool merge_reshapes(ir::Node& node, Patch& patch) {
  const ir::Node* inner = producer_any_users(node.input(0), "Reshape");
  const auto shape = constant_integers(node.input(1));
  if (inner == nullptr || !shape) return false;
  const bool copies = node.attributes().integer("allowzero", 0) == 0 &&
                      std::count(shape->begin(), shape->end(), 0) != 0;
  if (copies) return false;
  ir::Value* y = patch.add("Reshape", {inner->input(0), node.input(1)}, node.attributes());
  y->set_type(node.output()->type());
  patch.replace(node.output(), y);
  return true;
}

constexpr Rule kRules[] = {
    {"drop-identity", "Identity", drop_identity},
    {"drop-cast", "Cast", drop_cast},
    {"drop-dropout", "Dropout", drop_dropout},
    {"drop-zero-term", "Add", drop_zero_term},
    {"drop-zero-subtrahend", "Sub", drop_zero_term},
    {"drop-unit-factor", "Mul", drop_unit_factor},
    {"drop-unit-divisor", "Div", drop_unit_factor},
    {"drop-unit-power", "Pow", drop_unit_power},
    {"drop-double-neg", "Neg", drop_double_inverse},
    {"drop-double-not", "Not", drop_double_inverse},
    {"drop-repeated-relu", "Relu", drop_repeated},
    {"drop-repeated-abs", "Abs", drop_repeated},
    {"drop-repeated-floor", "Floor", drop_repeated},
    {"drop-repeated-ceil", "Ceil", drop_repeated},
    {"drop-single-concat", "Concat", drop_single_concat},
    {"drop-expand", "Expand", drop_expand},
    {"drop-pad", "Pad", drop_pad},
    {"drop-slice", "Slice", drop_slice},
    {"drop-clip", "Clip", drop_clip},
    {"drop-tile", "Tile", drop_tile},
    {"drop-single-sum", "Sum", drop_single_fold},
    {"drop-single-mean", "Mean", drop_single_fold},
    {"drop-single-max", "Max", drop_single_fold},
    {"drop-single-min", "Min", drop_single_fold},
    {"merge-reshapes", "Reshape", merge_reshapes},
};

}  // namespace

bool drop_identities(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRules, context);
}

}  // namespace planish::passes
