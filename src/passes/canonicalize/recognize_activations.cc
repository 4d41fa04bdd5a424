// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "ir/matcher.h"
#include "passes/canonicalize/recognize.h"
#include "passes/canonicalize/scalar_forms.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::passes {
namespace {

using ir::commutative;
using ir::either;
using ir::op;
using ir::var;

enum : int { kX };

bool is_real(const ir::Value* v) { return v->type().is_tensor() && is_float(v->type().dtype); }
ir::Pattern number(double wanted) {
  return ir::any().where([wanted](const ir::Value& v) { return is_splat(&v, wanted); });
}

constexpr double kSqrtHalf = 0.70710678118654752;   // 1 / sqrt(2)
constexpr double kTanhSlope = 0.79788456080286536;  // sqrt(2 / pi)
constexpr double kTanhCubic = 0.044715;

// A product x * f(x), possibly times a number, f being one op on a polynomial in x.
struct Gate {
  ir::Value* x;
  ir::Node* f;
  double factor;
  DType dtype;
  std::vector<ir::Node*> nodes;  // spelled with; the root first
};

// The two factors of the node's product in both orders; calls `use` until it is satisfied.
template <class F>
bool try_gates(ir::Node& node, F&& use) {
  if (node.output() == nullptr || !is_real(node.output())) return false;
  const Product product = product_of(node.output());
  if (product.factors.size() != 2) return false;
  for (size_t i = 0; i < 2; ++i) {
    ir::Value* x = product.factors[i];
    ir::Value* y = product.factors[1 - i];
    if (y->producer() == nullptr || y->graph() != node.graph()) continue;
    if (!same_shape(x, node.output()) || x->type().dtype != node.output()->type().dtype) continue;
    if (use(Gate{x, y->producer(), product.factor, x->type().dtype, product.nodes})) return true;
  }
  return false;
}

bool replace_closed(ir::Node& node, Patch& patch, const std::vector<ir::Node*>& nodes,
                    const std::string& op, ir::Value* x, Attributes attributes = {}) {
  if (!ir::is_closed(nodes, &node)) return false;
  patch.replace(node.output(), patch.add(op, {x}, std::move(attributes)));
  return true;
}

bool is_tanh_gelu(const Polynomial& u, double slope, DType dtype) {
  return is_near(u, {0, slope, 0, slope * kTanhCubic}, dtype);
}

// k * x * (c + c * Erf(x / sqrt 2)) = Gelu(x), k c = 1/2
// k * x * (c + c * Tanh(sqrt(2 / pi) (x + 0.044715 x^3))) = Gelu(x, tanh), k c = 1/2
bool gelu(ir::Node& node, Patch& patch) {
  return try_gates(node, [&](Gate g) {
    // f is linear in a value that Erf or Tanh makes.
    if (g.f->op() != "Add" && g.f->op() != "Mul") return false;
    ir::Value* curve = only_leaf(g.f->output());
    if (curve == nullptr || curve->producer() == nullptr || curve->graph() != node.graph())
      return false;
    ir::Node* inner = curve->producer();
    if (inner->op() != "Erf" && inner->op() != "Tanh") return false;
    const auto outer = polynomial_in(g.f->output(), curve, g.nodes);
    if (!outer || outer->size() != 2 || !is_near((*outer)[0], (*outer)[1], g.dtype)) return false;
    if (!is_near(g.factor * (*outer)[0], 0.5, g.dtype)) return false;
    g.nodes.push_back(inner);
    const auto u = polynomial_in(inner->input(0), g.x, g.nodes);
    if (!u) return false;
    if (inner->op() == "Erf")
      return is_near(*u, {0, kSqrtHalf}, g.dtype) &&
             replace_closed(node, patch, g.nodes, "Gelu", g.x);
    return is_tanh_gelu(*u, kTanhSlope, g.dtype) &&
           replace_closed(node, patch, g.nodes, "Gelu", g.x,
                          {{"approximate", std::string("tanh")}});
  });
}

// x * Sigmoid(a x) = Swish(x, a);  x * Sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)) = Gelu(x, tanh)
bool swish(ir::Node& node, Patch& patch) {
  return try_gates(node, [&](Gate g) {
    if (g.f->op() != "Sigmoid" || g.factor != 1) return false;
    g.nodes.push_back(g.f);
    const auto u = polynomial_in(g.f->input(0), g.x, g.nodes);
    if (!u) return false;
    if (is_tanh_gelu(*u, 2 * kTanhSlope, g.dtype))
      return replace_closed(node, patch, g.nodes, "Gelu", g.x,
                            {{"approximate", std::string("tanh")}});
    if (u->size() != 2 || (*u)[0] != 0) return false;
    Attributes attributes;
    if ((*u)[1] != 1) attributes.set("alpha", (*u)[1]);
    return replace_closed(node, patch, g.nodes, "Swish", g.x, attributes);
  });
}

// x / (1 + Exp(-x)) = Swish(x)
bool swish_as_quotient(ir::Node& node, Patch& patch) {
  static const ir::Pattern kPattern =
      op("Div", {var(kX), commutative("Add", op("Exp", {op("Neg", {var(kX)})}), number(1))});
  ir::Match m;
  if (!is_real(node.output()) || !ir::match(kPattern, node, m) || !same_shape(m[kX], node.output()))
    return false;
  return replace_closed(node, patch, m.nodes(), "Swish", m[kX]);
}

// Reciprocal(1 + Exp(-x)) = Sigmoid(x)
bool sigmoid(ir::Node& node, Patch& patch) {
  static const ir::Pattern kPattern =
      op("Reciprocal", {commutative("Add", op("Exp", {op("Neg", {var(kX)})}), number(1))});
  ir::Match m;
  if (!ir::match(kPattern, node, m) || !same_shape(m[kX], node.output())) return false;
  return replace_closed(node, patch, m.nodes(), "Sigmoid", m[kX]);
}

// The bounds of a Clip between numbers.
bool bounds_of(const ir::Node& clip, double* low, double* high) {
  return splat_value(clip.input(1), low) && splat_value(clip.input(2), high);
}

// The clipped line low..high of slope and offset over a value: k * Clip(a x + b, 0, h) with k h = 1
// is HardSigmoid(x, k a, k b).
struct ClippedLine {
  double alpha, beta;
};

std::optional<ClippedLine> clipped_line(const ir::Node& clip, const ir::Value* x, double factor,
                                        DType dtype, std::vector<ir::Node*>& nodes) {
  double low = 0, high = 0;
  if (clip.op() != "Clip" || !bounds_of(clip, &low, &high)) return std::nullopt;
  if (low != 0 || !is_near(factor * high, 1, dtype)) return std::nullopt;
  const auto u = polynomial_in(clip.input(0), x, nodes);
  if (!u || u->size() != 2) return std::nullopt;
  return ClippedLine{factor * (*u)[1], factor * (*u)[0]};
}

bool is_hard_swish(const ClippedLine& line, DType dtype) {
  return is_near(line.alpha, 1.0 / 6, dtype) && is_near(line.beta, 0.5, dtype);
}

// k * x * Clip(a x + b, 0, h) = x * HardSigmoid(x, k a, k b), k h = 1; HardSwish(x) for 1/6 and 1/2
bool hard_swish(ir::Node& node, Patch& patch) {
  return try_gates(node, [&](Gate g) {
    std::optional<ClippedLine> line;
    if (g.f->op() == "HardSigmoid" && g.f->input(0) == g.x && g.factor == 1)
      line = {g.f->attributes().real("alpha", 0.2), g.f->attributes().real("beta", 0.5)};
    else
      line = clipped_line(*g.f, g.x, g.factor, g.dtype, g.nodes);
    g.nodes.push_back(g.f);
    if (!line || !is_hard_swish(*line, g.dtype)) return false;
    return replace_closed(node, patch, g.nodes, "HardSwish", g.x);
  });
}

// k * Clip(a x + b, 0, h) = HardSigmoid(x, k a, k b), k h = 1
bool hard_sigmoid(ir::Node& node, Patch& patch) {
  if (!is_real(node.output())) return false;
  Product product =
      node.op() == "Clip" ? Product{.factors = {node.output()}} : product_of(node.output());
  if (product.factors.size() != 1) return false;
  ir::Node* clip = product.factors[0]->producer();
  if (clip == nullptr || clip->op() != "Clip" || clip->graph() != node.graph()) return false;
  ir::Value* x = only_leaf(clip->input(0));
  if (x == nullptr || x == clip->input(0) || !same_shape(x, node.output())) return false;
  product.nodes.push_back(clip);
  const auto line = clipped_line(*clip, x, product.factor, x->type().dtype, product.nodes);
  if (!line || line->beta == 0) return false;
  return replace_closed(node, patch, product.nodes, "HardSigmoid", x,
                        {{"alpha", line->alpha}, {"beta", line->beta}});
}

// x * Tanh(Softplus(x)) = x * Tanh(Log(1 + Exp(x))) = Mish(x)
bool mish(ir::Node& node, Patch& patch) {
  static const ir::Pattern kSoftplus =
      either({op("Softplus", {var(kX)}),
              op("Log", {commutative("Add", op("Exp", {var(kX)}), number(1))})});
  static const ir::Pattern kPattern = commutative("Mul", var(kX), op("Tanh", {kSoftplus}));
  ir::Match m;
  if (!is_real(node.output()) || !ir::match(kPattern, node, m) || !same_shape(m[kX], node.output()))
    return false;
  return replace_closed(node, patch, m.nodes(), "Mish", m[kX]);
}

// Log(1 + Exp(x)) = Softplus(x), which does not overflow where Exp does
bool softplus(ir::Node& node, Patch& patch) {
  static const ir::Pattern kPattern =
      op("Log", {commutative("Add", op("Exp", {var(kX)}), number(1))});
  ir::Match m;
  if (!ir::match(kPattern, node, m) || !same_shape(m[kX], node.output())) return false;
  return replace_closed(node, patch, m.nodes(), "Softplus", m[kX]);
}

ir::Value* scalar(Patch& patch, DType dtype, double v) {
  Tensor t(dtype, {});
  store<double>(t, {v});
  return patch.constant(std::move(t));
}

// The number that a Min or Max of two has for one of its inputs, and the other input.
ir::Value* bounded(const ir::Node& node, double* bound) {
  if (node.inputs().size() != 2) return nullptr;
  for (int i = 0; i < 2; ++i)
    if (splat_value(node.input(i), bound) && !node.input(1 - i)->is_constant())
      return node.input(1 - i);
  return nullptr;
}

// Min(Max(x, a), b) = Clip(x, a, b);  Max(Min(x, b), a) = Clip(x, a, b) for a <= b;
// Relu stands for Max(x, 0)
bool clip(ir::Node& node, Patch& patch) {
  double outer = 0, inner = 0;
  ir::Value* between = bounded(node, &outer);
  if (between == nullptr || between->producer() == nullptr || !is_real(between)) return false;
  const bool is_min = node.op() == "Min";
  ir::Node* below = producer(between, is_min ? "Max" : "Min");
  ir::Value* x = below != nullptr ? bounded(*below, &inner) : nullptr;
  if (below == nullptr && is_min) {
    below = producer(between, "Relu");
    x = below != nullptr ? below->input(0) : nullptr;
  }
  if (x == nullptr || !same_shape(x, node.output()) || !same_shape(between, node.output()))
    return false;
  const double low = is_min ? inner : outer, high = is_min ? outer : inner;
  if (low > high) return false;
  const DType dtype = x->type().dtype;
  patch.replace(node.output(),
                patch.add("Clip", {x, scalar(patch, dtype, low), scalar(patch, dtype, high)}));
  return true;
}

// Max(x, 0) = Relu(x)
bool relu(ir::Node& node, Patch& patch) {
  double bound = 0;
  ir::Value* x = bounded(node, &bound);
  if (x == nullptr || bound != 0 || !is_real(x) || !same_shape(x, node.output())) return false;
  patch.replace(node.output(), patch.add("Relu", {x}));
  return true;
}

// Clip(Relu(x), a, b) = Clip(x, max(a, 0), b), b >= 0
bool clip_of_relu(ir::Node& node, Patch& patch) {
  const ir::Node* relu = producer(node.input(0), "Relu");
  double low = 0, high = 0;
  if (relu == nullptr || !is_real(node.input(0))) return false;
  if (node.input(2) != nullptr && (!splat_value(node.input(2), &high) || high < 0)) return false;
  if (node.input(1) != nullptr && !splat_value(node.input(1), &low)) return false;
  ir::Value* bound = scalar(patch, node.input(0)->type().dtype, std::max(low, 0.0));
  patch.replace(node.output(), patch.add("Clip", {relu->input(0), bound, node.input(2)}));
  return true;
}

// Clip(x, 0, inf) = Clip(x, 0) = Relu(x)
bool clip_is_relu(ir::Node& node, Patch& patch) {
  double high = 0;
  if (!is_real(node.input(0)) || !is_splat(node.input(1), 0)) return false;
  if (node.input(2) != nullptr &&
      !(splat_value(node.input(2), &high) && std::isinf(high) && high > 0))
    return false;
  patch.replace(node.output(), patch.add("Relu", {node.input(0)}));
  return true;
}

constexpr Rule kRules[] = {
    {"clip-from-min-max", "Min", clip},
    {"clip-from-max-min", "Max", clip},
    {"relu", "Max", relu},
    {"clip-is-relu", "Clip", clip_is_relu},
    {"clip-of-relu", "Clip", clip_of_relu},
    {"sigmoid", "Reciprocal", sigmoid},
    {"swish-as-quotient", "Div", swish_as_quotient},
    {"gelu", "Mul", gelu},
    {"gelu-divided", "Div", gelu},
    {"swish", "Mul", swish},
    {"hard-swish", "Mul", hard_swish},
    {"hard-swish-divided", "Div", hard_swish},
    {"hard-sigmoid", "Mul", hard_sigmoid},
    {"hard-sigmoid-divided", "Div", hard_sigmoid},
    {"hard-sigmoid-clipped", "Clip", hard_sigmoid},
    {"mish", "Mul", mish},
    {"softplus", "Log", softplus},
};

}  // namespace

bool recognize_activations(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRules, context);
}

}  // namespace planish::passes
