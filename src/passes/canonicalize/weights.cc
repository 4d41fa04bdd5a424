// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "passes/canonicalize/algebra.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::passes {
namespace {

// A constant that, broadcast over a result of `rank` dims, is one number for each of the `channels`
// along `axis`: those numbers.
std::optional<std::vector<double>> per_channel(const ir::Value* v, size_t rank, size_t axis, int64_t channels) {
  if (v == nullptr || !v->is_constant() || !is_float(v->type().dtype)) return std::nullopt;
  const Dims& dims = v->constant().dims();
  if (dims.size() > rank) return std::nullopt;
  const size_t missing = rank - dims.size();
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i] != 1 && !(i + missing == axis && dims[i] == channels)) return std::nullopt;
  std::vector<double> values = load<double>(v->constant());
  if (values.empty()) return std::nullopt;
  values.resize(static_cast<size_t>(channels), values[0]);
  return values;
}

// A product with constant weights, whose result is scaled or shifted by channel.
struct Linear {
  ir::Node* node;
  size_t rank;         // of the result
  size_t axis;         // of its channels
  int64_t channels;
  size_t weight_axis;  // of the output channels
};

std::optional<Linear> linear(const ir::Value* v) {
  for (const char* op : {"Conv", "ConvTranspose", "MatMul"}) {
    ir::Node* node = producer(v, op);
    if (node == nullptr) continue;
    const ir::Value* w = node->input(1);
    if (!w->is_constant() || !is_float(w->type().dtype) || !v->type().has_rank()) return std::nullopt;
    const Dims& dims = w->constant().dims();
    const size_t rank = v->type().shape->size();
    if (op == std::string_view("MatMul")) {
      if (dims.size() != 2 || rank < 1 || node->input(0)->type().shape->size() < 2) return std::nullopt;
      return Linear{node, rank, rank - 1, dims[1], 1};
    }
    if (node->input(2) != nullptr && !node->input(2)->is_constant()) return std::nullopt;
    const bool transposed = op == std::string_view("ConvTranspose");
    if (transposed && node->attributes().integer("group", 1) != 1) return std::nullopt;
    return Linear{node, rank, 1, dims[transposed ? 1 : 0], transposed ? 1U : 0U};
  }
  return std::nullopt;
}

Tensor scaled_weights(const Tensor& w, size_t axis, const std::vector<double>& factors) {
  std::vector<double> values = load<double>(w);
  int64_t inner = 1;
  for (size_t i = axis + 1; i < w.dims().size(); ++i) inner *= w.dims()[i];
  const auto count = static_cast<int64_t>(factors.size());
  for (int64_t i = 0; i < w.count(); ++i)
    values[static_cast<size_t>(i)] *= factors[static_cast<size_t>(i / inner % count)];
  Tensor out(w.dtype(), w.dims());
  store(out, values);
  return out;
}

std::vector<double> bias_of(const Linear& l) {
  if (l.node->op() != "MatMul" && l.node->input(2) != nullptr)
    return load<double>(l.node->input(2)->constant());
  return std::vector<double>(static_cast<size_t>(l.channels), 0.0);
}

ir::Value* rebuilt(Patch& patch, const Linear& l, ir::Value* weights, const std::vector<double>* bias) {
  std::vector<ir::Value*> inputs = {l.node->input(0), weights};
  if (bias != nullptr) {
    Tensor b(weights->type().dtype, {l.channels});
    store(b, *bias);
    inputs.push_back(patch.constant(std::move(b)));
  }
  return patch.add(l.node->op(), inputs, l.node->attributes());
}

// The operands of a commutative node: a linear product and per-channel numbers.
std::optional<std::pair<Linear, std::vector<double>>> product_and_numbers(const ir::Node& node) {
  for (int i = 0; i < 2; ++i) {
    const auto l = linear(node.input(i));
    if (!l || !same_shape(node.output(), node.input(i))) continue;
    if (auto numbers = per_channel(node.input(1 - i), l->rank, l->axis, l->channels))
      return std::make_pair(*l, std::move(*numbers));
  }
  return std::nullopt;
}

// (w * x + b) * s = (s w) * x + s b
bool fold_factor(ir::Node& node, Patch& patch) {
  const auto found = product_and_numbers(node);
  if (!found) return false;
  const auto& [l, s] = *found;
  ir::Value* w = patch.constant(scaled_weights(l.node->input(1)->constant(), l.weight_axis, s));
  const bool has_bias = l.node->op() != "MatMul" && l.node->input(2) != nullptr;
  std::vector<double> bias = bias_of(l);
  for (size_t i = 0; i < bias.size(); ++i) bias[i] *= s[i];
  patch.replace(node.output(), rebuilt(patch, l, w, has_bias ? &bias : nullptr));
  return true;
}

// (w * x + b) + t = w * x + (b + t); a MatMul has no bias of its own
bool fold_term(ir::Node& node, Patch& patch) {
  const auto found = product_and_numbers(node);
  if (!found || found->first.node->op() == "MatMul") return false;
  const auto& [l, t] = *found;
  std::vector<double> bias = bias_of(l);
  for (size_t i = 0; i < bias.size(); ++i) bias[i] += t[i];
  patch.replace(node.output(), rebuilt(patch, l, l.node->input(1), &bias));
  return true;
}

// (x * w + b) * s = x * (w s) + b s, with b in an Add of its own after a MatMul
bool fold_factor_past_term(ir::Node& node, Patch& patch) {
  for (int i = 0; i < 2; ++i) {
    const ir::Node* add = producer(node.input(i), "Add");
    if (add == nullptr) continue;
    const auto found = product_and_numbers(*add);
    if (!found || found->first.node->op() != "MatMul") continue;
    const Linear& l = found->first;
    const auto s = per_channel(node.input(1 - i), l.rank, l.axis, l.channels);
    if (!s || !same_shape(node.output(), add->output())) continue;
    ir::Value* w = patch.constant(scaled_weights(l.node->input(1)->constant(), l.weight_axis, *s));
    std::vector<double> bias = found->second;
    for (size_t k = 0; k < bias.size(); ++k) bias[k] *= (*s)[k];
    Tensor b(w->type().dtype, {l.channels});
    store(b, bias);
    ir::Value* product = rebuilt(patch, l, w, nullptr);
    patch.replace(node.output(), patch.add("Add", {product, patch.constant(std::move(b))}));
    return true;
  }
  return false;
}

// Conv(Pad(x, zeros)) = Conv(x) with those pads
bool fold_pad(ir::Node& node, Patch& patch) {
  const ir::Node* pad = producer_any_users(node.input(0), "Pad");
  if (pad == nullptr || pad->attributes().text("mode", "constant") != "constant") return false;
  const auto pads = constant_integers(pad->input(1));
  if (!pads || pad->input(3) != nullptr || pads->size() < 6) return false;
  if (pad->input(2) != nullptr && !is_splat(pad->input(2), 0)) return false;
  const size_t rank = pads->size() / 2, spatial = rank - 2;
  for (size_t i = 0; i < 2 * rank; ++i)
    if ((*pads)[i] < 0 || (i % rank < 2 && (*pads)[i] != 0)) return false;
  const std::string auto_pad = node.attributes().text("auto_pad", "NOTSET");
  if (auto_pad != "NOTSET" && auto_pad != "VALID") return false;
  Attributes attributes = node.attributes();
  std::vector<int64_t> own(2 * spatial, 0);
  if (auto_pad == "NOTSET") own = attributes.integers("pads", own);
  for (size_t i = 0; i < spatial; ++i) {
    own[i] += (*pads)[2 + i];
    own[spatial + i] += (*pads)[rank + 2 + i];
  }
  attributes.erase("auto_pad");
  attributes.set("pads", own);
  std::vector<ir::Value*> inputs = node.inputs();
  inputs[0] = pad->input(0);
  patch.replace(node.output(), patch.add("Conv", inputs, attributes));
  return true;
}

constexpr Rule kRules[] = {
    {"fold-factor", "Mul", fold_factor},
    {"fold-term", "Add", fold_term},
    {"fold-factor-past-term", "Mul", fold_factor_past_term},
    {"fold-pad", "Conv", fold_pad},
};

}  // namespace

bool fold_into_weights(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRules, context);
}

}  // namespace planish::passes
