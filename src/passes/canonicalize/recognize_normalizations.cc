// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ir/matcher.h"
#include "passes/canonicalize/recognize.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::passes {
namespace {

using ir::commutative;
using ir::either;
using ir::op;
using ir::Pattern;
using ir::var;

enum : int { kX, kCentered, kMean, kVariance, kEpsilon, kGain, kScale, kBias, kMax, kSum };

// Types whose statistics the ops keep in float32 or better.
bool is_stashed(const ir::Value* v) {
  const DType t = v->type().dtype;
  return v->type().has_rank() && (t == DType::kF32 || t == DType::kF16 || t == DType::kBF16);
}

bool is_number(const ir::Value& v) {
  double unused = 0;
  return splat_value(&v, &unused);
}

Pattern number(double wanted) {
  return ir::any().where([wanted](const ir::Value& v) { return is_splat(&v, wanted); });
}

// The axes of a reduction that keeps its dims; empty if that is not what it does.
std::vector<int64_t> kept_axes(const ir::Node& reduce) {
  const ir::Value* x = reduce.input(0);
  const auto given = constant_integers(reduce.input(1));
  if (!given || !x->type().has_rank() || reduce.attributes().integer("keepdims", 1) == 0) return {};
  std::vector<int64_t> axes = *given;
  for (int64_t& axis : axes)
    if (axis < 0) axis += static_cast<int64_t>(x->type().shape->size());
  std::sort(axes.begin(), axes.end());
  return axes;
}

// The first of the trailing axes that `reduce` goes over; -1 if it goes over others.
int64_t trailing_axis(const ir::Node& reduce) {
  const std::vector<int64_t> axes = kept_axes(reduce);
  if (axes.empty()) return -1;
  const auto rank = static_cast<int64_t>(reduce.input(0)->type().shape->size());
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i] != rank - static_cast<int64_t>(axes.size()) + static_cast<int64_t>(i)) return -1;
  return axes[0];
}

Tensor ones(DType dtype, Dims dims) {
  Tensor t(dtype, std::move(dims));
  store(t, std::vector<double>(static_cast<size_t>(t.count()), 1.0));
  return t;
}

// A scale that changes nothing: of the normalised dims where they are known.
Tensor unit_scale(const ir::Value* x, int64_t axis) {
  const Shape& shape = *x->type().shape;
  const auto dims = constant_dims(Shape(shape.begin() + axis, shape.end()));
  constexpr int64_t kMaxCount = 1 << 16;
  const bool is_small =
      dims && std::all_of(dims->begin(), dims->end(), [](int64_t d) { return d <= kMaxCount; }) &&
      element_count(*dims) <= kMaxCount;
  return ones(x->type().dtype, is_small ? *dims : Dims{1});
}

Attributes norm_attributes(int64_t axis, const ir::Value* epsilon) {
  double e = 0;
  splat_value(epsilon, &e);
  return {{"axis", axis}, {"epsilon", e}};
}

Pattern squared(const Pattern& x) { return either({op("Mul", {x, x}), op("Pow", {x, number(2)})}); }

// Something divided by the root of (`variance` + epsilon).
Pattern divided_by_root(const Pattern& x, const Pattern& variance) {
  const Pattern sum = commutative("Add", variance, ir::any().where(is_number).as(kEpsilon));
  const Pattern root = either({op("Sqrt", {sum}), op("Pow", {sum, number(0.5)})});
  const Pattern inverse = either(
      {op("Reciprocal", {root}), op("Div", {number(1), root}), op("Pow", {sum, number(-0.5)})});
  return either({op("Div", {x, root}), commutative("Mul", x, inverse)});
}

// d / Sqrt(ReduceMean(d^2) + epsilon) = LayerNormalization(x, 1), d = x - ReduceMean(x), the means
// over trailing axes
bool layer_normalization(ir::Node& node, Patch& patch) {
  static const Pattern kPattern = [] {
    const Pattern mean = op("ReduceMean", {var(kX), ir::any()}).as(kMean);
    const Pattern centered = op("Sub", {var(kX), mean}).as(kCentered);
    const Pattern variance = op("ReduceMean", {squared(var(kCentered)), ir::any()}).as(kVariance);
    return divided_by_root(centered, variance);
  }();
  ir::Match m;
  if (!ir::match(kPattern, node, m) || !is_stashed(m[kX]) || !m.is_closed()) return false;
  const int64_t axis = trailing_axis(*m[kMean]->producer());
  if (axis < 0 || trailing_axis(*m[kVariance]->producer()) != axis) return false;
  if (!same_shape(m[kX], node.output()) || !same_shape(m[kX], m[kCentered])) return false;
  patch.replace(node.output(),
                patch.add("LayerNormalization", {m[kX], patch.constant(unit_scale(m[kX], axis))},
                          norm_attributes(axis, m[kEpsilon])));
  return true;
}

// What multiplies or shifts a normalised x: its shape is that of the trailing dims, or ones.
bool stretches_over(const ir::Value* v, const ir::Value* x, int64_t axis) {
  if (!v->type().has_rank() || v->type().dtype != x->type().dtype) return false;
  const Shape& shape = *v->type().shape;
  const Shape& full = *x->type().shape;
  if (shape.empty() || shape.size() > full.size()) return false;
  for (size_t i = 0; i < shape.size(); ++i) {
    const size_t place = full.size() - shape.size() + i;
    const bool is_normalized = static_cast<int64_t>(place) >= axis;
    if (!(shape[i] == Dim(1)) && !(is_normalized && shape[i] == full[place])) return false;
  }
  return true;
}

// The same numbers without leading dims of size 1 that are none of the normalised ones.
ir::Value* trimmed(Patch& patch, ir::Value* v, const ir::Value* x, int64_t axis) {
  const size_t most = x->type().shape->size() - static_cast<size_t>(axis);
  const size_t rank = v->type().shape->size();
  if (rank <= most) return v;
  if (v->is_constant()) {
    const Dims& dims = v->constant().dims();
    return patch.constant(
        v->constant().reshaped(Dims(dims.end() - static_cast<int64_t>(most), dims.end())));
  }
  std::vector<int64_t> axes;
  for (size_t i = 0; i < rank - most; ++i) axes.push_back(static_cast<int64_t>(i));
  return patch.add("Squeeze", {v, patch.constant(axes)});
}

// x * g + (bias - mean * g) = LayerNormalization(x, scale, bias), g = scale / Sqrt(variance +
// epsilon): how TensorFlow's batch normalisation helper spells it
bool layer_normalization_as_line(ir::Node& node, Patch& patch) {
  static const Pattern kPattern = [] {
    const Pattern mean = op("ReduceMean", {var(kX), ir::any()}).as(kMean);
    const Pattern centered = op("Sub", {var(kX), mean}).as(kCentered);
    const Pattern variance = op("ReduceMean", {squared(centered), ir::any()}).as(kVariance);
    const Pattern sum = commutative("Add", variance, ir::any().where(is_number).as(kEpsilon));
    const Pattern gain =
        commutative("Mul", op("Reciprocal", {op("Sqrt", {sum})}), var(kScale)).as(kGain);
    const Pattern shift = op("Sub", {var(kBias), commutative("Mul", mean, var(kGain))});
    return commutative("Add", commutative("Mul", var(kX), gain), shift);
  }();
  ir::Match m;
  if (!ir::match(kPattern, node, m) || !is_stashed(m[kX]) || !m.is_closed()) return false;
  const int64_t axis = trailing_axis(*m[kMean]->producer());
  if (axis < 0 || trailing_axis(*m[kVariance]->producer()) != axis) return false;
  if (!same_shape(m[kX], node.output())) return false;
  if (!stretches_over(m[kScale], m[kX], axis) || !stretches_over(m[kBias], m[kX], axis))
    return false;
  patch.replace(node.output(), patch.add("LayerNormalization",
                                         {m[kX], trimmed(patch, m[kScale], m[kX], axis),
                                          trimmed(patch, m[kBias], m[kX], axis)},
                                         norm_attributes(axis, m[kEpsilon])));
  return true;
}

// x / Sqrt(ReduceMean(x^2) + epsilon) = RMSNormalization(x, 1), the mean over trailing axes
bool rms_normalization(ir::Node& node, Patch& patch) {
  static const Pattern kPattern =
      divided_by_root(var(kX), op("ReduceMean", {squared(var(kX)), ir::any()}).as(kVariance));
  ir::Match m;
  if (!ir::match(kPattern, node, m) || !is_stashed(m[kX]) || !m.is_closed()) return false;
  const int64_t axis = trailing_axis(*m[kVariance]->producer());
  if (axis < 0 || !same_shape(m[kX], node.output())) return false;
  patch.replace(node.output(),
                patch.add("RMSNormalization", {m[kX], patch.constant(unit_scale(m[kX], axis))},
                          norm_attributes(axis, m[kEpsilon])));
  return true;
}

// The operand of a commutative node that a norm makes, and the other one.
struct AffineNorm {
  ir::Node* norm = nullptr;
  ir::Value* other = nullptr;
  int64_t axis = 0;
};

AffineNorm affine_norm(const ir::Node& node, std::initializer_list<const char*> ops) {
  for (int i = 0; i < 2; ++i)
    for (const char* name : ops) {
      ir::Node* norm = producer(node.input(i), name);
      if (norm == nullptr || !norm->input(0)->type().has_rank()) continue;
      if (norm->output(1) != nullptr || norm->output(2) != nullptr) continue;
      const ir::Value* x = norm->input(0);
      int64_t axis = norm->attributes().integer("axis", -1);
      if (axis < 0) axis += static_cast<int64_t>(x->type().shape->size());
      if (!same_shape(x, node.output()) || !stretches_over(node.input(1 - i), x, axis)) continue;
      return {norm, node.input(1 - i), axis};
    }
  return {};
}

// LayerNormalization(x, 1) * s = LayerNormalization(x, s), and RMSNormalization likewise
bool norm_scale(ir::Node& node, Patch& patch) {
  const AffineNorm found = affine_norm(node, {"LayerNormalization", "RMSNormalization"});
  if (found.norm == nullptr || found.norm->input(2) != nullptr ||
      !is_splat(found.norm->input(1), 1))
    return false;
  ir::Value* scale = trimmed(patch, found.other, found.norm->input(0), found.axis);
  patch.replace(node.output(), patch.add(found.norm->op(), {found.norm->input(0), scale},
                                         found.norm->attributes()));
  return true;
}

// LayerNormalization(x, s) + b = LayerNormalization(x, s, b)
bool norm_bias(ir::Node& node, Patch& patch) {
  const AffineNorm found = affine_norm(node, {"LayerNormalization"});
  if (found.norm == nullptr || found.norm->input(2) != nullptr) return false;
  ir::Value* bias = trimmed(patch, found.other, found.norm->input(0), found.axis);
  patch.replace(node.output(),
                patch.add("LayerNormalization", {found.norm->input(0), found.norm->input(1), bias},
                          found.norm->attributes()));
  return true;
}

// Each group's number for all channels of the group.
Tensor spread(const Tensor& groups, int64_t channels) {
  const std::vector<double> old = load<double>(groups);
  std::vector<double> values;
  for (int64_t c = 0; c < channels; ++c)
    values.push_back(old[static_cast<size_t>(c * groups.count() / channels)]);
  Tensor t(groups.dtype(), {channels});
  store(t, values);
  return t;
}

// Reshape(InstanceNormalization(Reshape(x, [n, groups, -1]), s, b), shape of x) =
// GroupNormalization(x, s and b of each channel's group)
bool group_normalization(ir::Node& node, Patch& patch) {
  ir::Node* norm = producer(node.input(0), "InstanceNormalization");
  ir::Node* split = norm != nullptr ? producer(norm->input(0), "Reshape") : nullptr;
  if (split == nullptr || !norm->input(1)->is_constant() || !norm->input(2)->is_constant())
    return false;
  ir::Value* x = split->input(0);
  if (!is_stashed(x) || !same_shape(x, node.output()) || !split->output()->type().has_rank())
    return false;
  const Shape& whole = *x->type().shape;
  const Shape& parts = *split->output()->type().shape;
  if (whole.size() < 2 || parts.size() < 3 || !(whole[0] == parts[0])) return false;
  if (!whole[1].is_constant() || !parts[1].is_constant()) return false;
  const int64_t channels = whole[1].value(), groups = parts[1].value();
  if (groups < 1 || channels < 1 || channels % groups != 0) return false;
  patch.replace(
      node.output(),
      patch.add("GroupNormalization",
                {x, patch.constant(spread(norm->input(1)->constant(), channels)),
                 patch.constant(spread(norm->input(2)->constant(), channels))},
                {{"num_groups", groups}, {"epsilon", norm->attributes().real("epsilon", 1e-5)}}));
  return true;
}

// Exp(x - ReduceMax(x)) / ReduceSum(Exp(x - ReduceMax(x))) = Softmax(x), both over one axis
bool softmax(ir::Node& node, Patch& patch) {
  static const Pattern kPattern = [] {
    const Pattern shifted = op("Sub", {var(kX), op("ReduceMax", {var(kX), ir::any()}).as(kMax)});
    const Pattern power = op("Exp", {shifted}).as(kCentered);
    const Pattern sum = op("ReduceSum", {var(kCentered), ir::any()}).as(kSum);
    return either({op("Div", {power, sum}), commutative("Mul", power, op("Reciprocal", {sum}))});
  }();
  ir::Match m;
  if (!ir::match(kPattern, node, m) || !is_stashed(m[kX]) || !m.is_closed()) return false;
  const std::vector<int64_t> axes = kept_axes(*m[kMax]->producer());
  if (axes.size() != 1 || kept_axes(*m[kSum]->producer()) != axes) return false;
  if (!same_shape(m[kX], node.output())) return false;
  patch.replace(node.output(), patch.add("Softmax", {m[kX]}, {{"axis", axes[0]}}));
  return true;
}

constexpr Rule kRules[] = {
    {"layer-normalization", "Div", layer_normalization},
    {"layer-normalization-by-inverse", "Mul", layer_normalization},
    {"layer-normalization-as-line", "Add", layer_normalization_as_line},
    {"softmax", "Div", softmax},
    {"softmax-by-inverse", "Mul", softmax},
    {"rms-normalization", "Div", rms_normalization},
    {"rms-normalization-by-inverse", "Mul", rms_normalization},
    {"norm-scale", "Mul", norm_scale},
    {"norm-bias", "Add", norm_bias},
    {"group-normalization", "Reshape", group_normalization},
};

}  // namespace

bool recognize_normalizations(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRules, context);
}

}  // namespace planish::passes
