// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "passes/canonicalize/algebra.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::passes {
namespace {

// A constant that, broadcast over a result of `rank` dims, is one number for each of the `channels`
// along `axis`: those numbers.
std::optional<std::vector<double>> per_channel(const ir::Value* v, size_t rank, size_t axis,
                                               int64_t channels) {
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
  size_t rank;  // of the result
  size_t axis;  // of its channels
  int64_t channels;
  size_t weight_axis;  // of the output channels
};

std::optional<Linear> linear(const ir::Value* v) {
  for (const char* op : {"Conv", "ConvTranspose", "MatMul"}) {
    ir::Node* node = producer(v, op);
    if (node == nullptr) continue;
    const ir::Value* w = node->input(1);
    if (!w->is_constant() || !is_float(w->type().dtype) || !v->type().has_rank())
      return std::nullopt;
    if (!node->input(0)->type().has_rank()) return std::nullopt;
    const Dims& dims = w->constant().dims();
    const size_t rank = v->type().shape->size();
    if (op == std::string_view("MatMul")) {
      if (dims.size() != 2 || rank < 1 || node->input(0)->type().shape->size() < 2)
        return std::nullopt;
      return Linear{node, rank, rank - 1, dims[1], 1};
    }
    if (node->input(2) != nullptr && !node->input(2)->is_constant()) return std::nullopt;
    const bool transposed = op == std::string_view("ConvTranspose");
    if (transposed && node->attributes().integer("group", 1) != 1) return std::nullopt;
    return Linear{node, rank, 1, dims[transposed ? 1 : 0], transposed ? 1U : 0U};
  }
  return std::nullopt;
}

// Weights that several nodes share are copied for one of them only if they are small.
bool may_change(const ir::Value* w) {
  constexpr size_t kSmallBytes = size_t{1} << 20;
  return has_one_use(w) || w->constant().bytes() <= kSmallBytes;
}

// One factor for each run of `inner` elements, taken in turn.
void scale_runs(const float* in, float* out, int64_t count, int64_t inner,
                const std::vector<double>& factors) {
  size_t channel = 0;
  for (int64_t i = 0; i < count; i += inner) {
    const double factor = factors[channel];
    for (int64_t k = 0; k < inner; ++k) out[i + k] = static_cast<float>(in[i + k] * factor);
    if (++channel == factors.size()) channel = 0;
  }
}

Tensor scaled_weights(const Tensor& w, size_t axis, const std::vector<double>& factors) {
  Tensor out(w.dtype(), w.dims());
  if (w.count() == 0) return out;
  int64_t inner = 1;
  for (size_t i = axis + 1; i < w.dims().size(); ++i) inner *= w.dims()[i];
  if (w.dtype() == DType::kF32) {
    scale_runs(w.as<float>(), out.as<float>(), w.count(), inner, factors);
    return out;
  }
  std::vector<double> values = load<double>(w);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] *= factors[i / static_cast<size_t>(inner) % factors.size()];
  store(out, values);
  return out;
}

std::vector<double> bias_of(const Linear& l) {
  if (l.node->op() != "MatMul" && l.node->input(2) != nullptr)
    return load<double>(l.node->input(2)->constant());
  return std::vector<double>(static_cast<size_t>(l.channels), 0.0);
}

ir::Value* rebuilt(Patch& patch, const Linear& l, ir::Value* weights,
                   const std::vector<double>* bias) {
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
  if (!found || !may_change(found->first.node->input(1))) return false;
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
    if (!found || found->first.node->op() != "MatMul" || !may_change(found->first.node->input(1)))
      continue;
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

// f(x * s, w) = f(x, s w) for a number for each input channel: Conv, ConvTranspose and MatMul. What
// is padded is 0 either way.
bool fold_factor_before(ir::Node& node, Patch& patch) {
  const ir::Node* mul = producer(node.input(0), "Mul");
  const ir::Value* w = node.input(1);
  if (mul == nullptr || !w->is_constant() || !is_float(w->type().dtype) || !may_change(w))
    return false;
  const ir::Value* x = mul->input(0);
  if (!x->type().has_rank() || !same_shape(x, mul->output())) return false;
  const size_t rank = x->type().shape->size();
  const bool is_product = node.op() == "MatMul", is_conv = node.op() == "Conv";
  const Dims& dims = w->constant().dims();
  if (is_product ? rank < 2 || dims.size() != 2 : rank < 3 || dims.size() != rank) return false;
  const int64_t group = is_product ? 1 : node.attributes().integer("group", 1);
  const int64_t channels = is_conv ? dims[1] * group : dims[0];
  const auto s = per_channel(mul->input(1), rank, is_product ? rank - 1 : 1, channels);
  if (!s) return false;
  std::vector<double> factors = *s;
  size_t axis = 0;
  if (is_conv) {
    // One factor for each pair of an output channel and an input channel of its group.
    factors.clear();
    axis = 1;
    for (int64_t o = 0; o < dims[0]; ++o)
      for (int64_t i = 0; i < dims[1]; ++i)
        factors.push_back((*s)[static_cast<size_t>(o / (dims[0] / group) * dims[1] + i)]);
  }
  std::vector<ir::Value*> inputs = node.inputs();
  inputs[0] = mul->input(0);
  inputs[1] = patch.constant(scaled_weights(w->constant(), axis, factors));
  patch.replace(node.output(), patch.add(node.op(), inputs, node.attributes()));
  return true;
}

// An InstanceNormalization or GroupNormalization with constant scale and bias of each channel, and
// a constant for each channel: operands of a commutative node.
std::optional<std::pair<ir::Node*, std::vector<double>>> norm_and_numbers(const ir::Node& node) {
  for (int i = 0; i < 2; ++i)
    for (const char* op : {"InstanceNormalization", "GroupNormalization"}) {
      ir::Node* norm = producer(node.input(i), op);
      if (norm == nullptr || !norm->input(1)->is_constant() || !norm->input(2)->is_constant())
        continue;
      if (!same_shape(node.output(), norm->output()) || !norm->output()->type().has_rank())
        continue;
      const size_t rank = norm->output()->type().shape->size();
      if (rank < 2) continue;
      if (auto numbers =
              per_channel(node.input(1 - i), rank, 1, norm->input(1)->constant().count()))
        return std::make_pair(norm, std::move(*numbers));
    }
  return std::nullopt;
}

bool rebuild_norm(ir::Node& node, Patch& patch, ir::Node* norm, const std::vector<double>& scale,
                  const std::vector<double>& bias) {
  Tensor s(norm->input(1)->type().dtype, norm->input(1)->constant().dims());
  Tensor b(norm->input(2)->type().dtype, norm->input(2)->constant().dims());
  store(s, scale);
  store(b, bias);
  patch.replace(node.output(), patch.add(norm->op(),
                                         {norm->input(0), patch.constant(std::move(s)),
                                          patch.constant(std::move(b))},
                                         norm->attributes()));
  return true;
}

// norm(x, s, b) * f = norm(x, f s, f b)
bool fold_factor_into_norm(ir::Node& node, Patch& patch) {
  const auto found = norm_and_numbers(node);
  if (!found) return false;
  auto scale = load<double>(found->first->input(1)->constant());
  auto bias = load<double>(found->first->input(2)->constant());
  for (size_t i = 0; i < scale.size(); ++i) {
    scale[i] *= found->second[i];
    bias[i] *= found->second[i];
  }
  return rebuild_norm(node, patch, found->first, scale, bias);
}

// norm(x, s, b) + t = norm(x, s, b + t)
bool fold_term_into_norm(ir::Node& node, Patch& patch) {
  const auto found = norm_and_numbers(node);
  if (!found) return false;
  auto bias = load<double>(found->first->input(2)->constant());
  for (size_t i = 0; i < bias.size(); ++i) bias[i] += found->second[i];
  return rebuild_norm(node, patch, found->first, load<double>(found->first->input(1)->constant()),
                      bias);
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
    {"fold-factor-before-conv", "Conv", fold_factor_before},
    {"fold-factor-before-conv-transpose", "ConvTranspose", fold_factor_before},
    {"fold-factor-before-product", "MatMul", fold_factor_before},
    {"fold-factor-into-norm", "Mul", fold_factor_into_norm},
    {"fold-term-into-norm", "Add", fold_term_into_norm},
    {"fold-pad", "Conv", fold_pad},
};

}  // namespace

bool fold_into_weights(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRules, context);
}

}  // namespace planish::passes
