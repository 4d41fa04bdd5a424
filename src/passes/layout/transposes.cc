// SPDX-License-Identifier: Apache-2.0
#include "passes/layout/transposes.h"

#include <algorithm>
#include <numeric>

#include "ops/op.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::passes {
Perm permutation(const ir::Node* node) {
  if (node == nullptr || node->op() != "Transpose" || !node->input(0)->type().has_rank()) return {};
  const size_t rank = node->input(0)->type().shape->size();
  Perm reversed(rank);
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  Perm perm = node->attributes().integers("perm", reversed);
  return perm.size() == rank ? perm : Perm{};
}

namespace {

Perm permutation_of(const ir::Value* v) {
  return v != nullptr && v->producer() != nullptr ? permutation(v->producer()) : Perm{};
}

Perm inverse(const Perm& perm) {
  Perm out(perm.size());
  for (size_t i = 0; i < perm.size(); ++i)
    out[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  return out;
}

bool is_identity(const Perm& perm) { return std::is_sorted(perm.begin(), perm.end()); }

ir::Value* transpose(Patch& patch, ir::Value* x, const Perm& perm) {
  if (is_identity(perm)) return x;
  return patch.add("Transpose", {x}, {{"perm", perm}});
}

// The input of the transpose that makes `v`.
ir::Value* below(const ir::Value* v) { return v->producer()->input(0); }

// --- merging
// --------------------------------------------------------------------------------------

// Transpose(Transpose(x, p), q) = Transpose(x, p . q)
bool merge_two(ir::Node& node, Patch& patch) {
  const Perm outer = permutation(&node);
  if (outer.empty()) return false;
  if (is_identity(outer)) {
    patch.replace(node.output(), node.input(0));
    return true;
  }
  const Perm inner = permutation_of(node.input(0));
  if (inner.empty()) return false;
  Perm both(outer.size());
  for (size_t i = 0; i < outer.size(); ++i) both[i] = inner[static_cast<size_t>(outer[i])];
  patch.replace(node.output(), transpose(patch, below(node.input(0)), both));
  return true;
}

// A transpose that keeps the order of all dims but those of size 1 is a Reshape.
bool transpose_is_reshape(ir::Node& node, Patch& patch) {
  const Perm perm = permutation(&node);
  if (perm.empty() || !node.output()->type().has_rank()) return false;
  const Shape& in = *node.input(0)->type().shape;
  int64_t last = -1;
  for (int64_t axis : perm) {
    if (in[static_cast<size_t>(axis)] == Dim(1)) continue;
    if (axis < last) return false;
    last = axis;
  }
  std::vector<int64_t> shape;
  int symbolic = 0;
  for (const Dim& d : *node.output()->type().shape) {
    symbolic += d.is_constant() ? 0 : 1;
    shape.push_back(d.is_constant() ? d.value() : -1);
    if (d == Dim(0)) return false;
  }
  if (symbolic > 1) return false;
  ir::Value* out = patch.add("Reshape", {node.input(0), patch.constant(shape)});
  out->set_type(node.output()->type());
  patch.replace(node.output(), out);
  return true;
}

// --- sinking
// --------------------------------------------------------------------------------------

// An input of a pointwise node, of the result's rank `rank` or less, as it must be when the result
// is computed before the transpose `perm`; null if that costs more than it saves. `is_whole`: what
// the transpose makes has the result's shape.
ir::Value* unpermuted(Patch& patch, ir::Value* v, const Perm& perm, const Shape& result,
                      bool is_whole) {
  const Perm own = permutation_of(v);
  if (own == perm) return below(v);
  if (!v->type().has_rank()) return nullptr;
  const Shape& shape = *v->type().shape;
  if (shape.size() > perm.size()) return nullptr;
  const bool all_ones =
      std::all_of(shape.begin(), shape.end(), [](const Dim& d) { return d == Dim(1); });
  if (all_ones) return v;
  // One transpose less here would be one more there, of a tensor that is no smaller: this rule
  // would sink that one again.
  if (!v->is_constant() && (shape == result || !is_whole)) return nullptr;
  std::vector<int64_t> padded(perm.size() - shape.size(), 1);
  int symbolic = 0;
  for (const Dim& d : shape) {
    symbolic += d.is_constant() ? 0 : 1;
    padded.push_back(d.is_constant() ? d.value() : -1);
    if (d == Dim(0)) return nullptr;
  }
  if (symbolic > 1) {
    if (shape.size() != perm.size()) return nullptr;
    return transpose(patch, v, inverse(perm));
  }
  ir::Value* full =
      shape.size() == perm.size() ? v : patch.add("Reshape", {v, patch.constant(padded)});
  return transpose(patch, full, inverse(perm));
}

// f(Transpose(x), y) = Transpose(f(x, Transpose'(y)))
bool sink_through_pointwise(ir::Node& node, Patch& patch) {
  if (!get_op(node.op()).is_pointwise || node.output() == nullptr ||
      !node.output()->type().has_rank())
    return false;
  const Shape& result = *node.output()->type().shape;
  Perm perm;
  bool is_whole = false;
  for (const ir::Value* in : node.inputs()) {
    const Perm own = permutation_of(in);
    if (own.size() == result.size() && !own.empty()) {
      perm = own;
      is_whole = in->type().has_rank() && *in->type().shape == result;
      break;
    }
  }
  if (perm.empty()) return false;
  std::vector<ir::Value*> inputs;
  for (ir::Value* in : node.inputs()) {
    ir::Value* moved = in == nullptr ? nullptr : unpermuted(patch, in, perm, result, is_whole);
    if (in != nullptr && moved == nullptr) return false;
    inputs.push_back(moved);
  }
  ir::Value* y = patch.add(node.op(), inputs, node.attributes());
  patch.replace(node.output(), transpose(patch, y, perm));
  return true;
}

// Concat(Transpose(x), Transpose(y)) = Transpose(Concat(x, y))
bool sink_through_concat(ir::Node& node, Patch& patch) {
  const Perm perm = permutation_of(node.input(0));
  if (perm.empty()) return false;
  std::vector<ir::Value*> inputs;
  for (ir::Value* in : node.inputs()) {
    if (permutation_of(in) == perm) {
      inputs.push_back(below(in));
    } else if (in->is_constant() && in->type().shape->size() == perm.size()) {
      inputs.push_back(transpose(patch, in, inverse(perm)));
    } else {
      return false;
    }
  }
  int64_t axis = node.attributes().integer("axis");
  if (axis < 0) axis += static_cast<int64_t>(perm.size());
  ir::Value* y = patch.add("Concat", inputs, {{"axis", perm[static_cast<size_t>(axis)]}});
  patch.replace(node.output(), transpose(patch, y, perm));
  return true;
}

// Axis-wise maps: f(Transpose(x), axis) = Transpose(f(x, perm[axis]))
bool sink_through_axis(ir::Node& node, Patch& patch) {
  const Perm perm = permutation_of(node.input(0));
  if (perm.empty()) return false;
  int64_t axis = node.attributes().integer("axis", node.op() == "Split" ? 0 : -1);
  if (axis < 0) axis += static_cast<int64_t>(perm.size());
  if (axis < 0 || axis >= static_cast<int64_t>(perm.size())) return false;
  Attributes attributes = node.attributes();
  attributes.set("axis", perm[static_cast<size_t>(axis)]);
  std::vector<ir::Value*> inputs = node.inputs();
  inputs[0] = below(inputs[0]);
  const auto count = static_cast<int>(node.outputs().size());
  ir::Node* made = patch.add_node(node.op(), inputs, count, attributes);
  for (int i = 0; i < count; ++i)
    if (node.output(i) != nullptr)
      patch.replace(node.output(i), transpose(patch, made->output(i), perm));
  return true;
}

// Reduce(Transpose(x), axes) = Transpose(Reduce(x, perm[axes])); without keepdims the kept dims
// decide what is left of the transpose.
bool sink_through_reduce(ir::Node& node, Patch& patch) {
  const Perm perm = permutation_of(node.input(0));
  if (perm.empty() || node.inputs().size() > 2) return false;
  const auto axes = constant_integers(node.input(1));
  if (!axes || axes->empty()) return false;
  const auto rank = static_cast<int64_t>(perm.size());
  std::vector<int64_t> moved;
  std::vector<bool> reduced(perm.size(), false);
  for (int64_t axis : *axes) {
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) return false;
    moved.push_back(perm[static_cast<size_t>(axis)]);
    reduced[static_cast<size_t>(perm[static_cast<size_t>(axis)])] = true;
  }
  std::sort(moved.begin(), moved.end());
  ir::Value* y =
      patch.add(node.op(), {below(node.input(0)), patch.constant(moved)}, node.attributes());
  Perm left = perm;
  if (node.attributes().integer("keepdims", 1) == 0) {
    std::vector<int64_t> rank_of(perm.size(), 0);  // position of a kept input axis among the kept
    int64_t next = 0;
    for (size_t i = 0; i < perm.size(); ++i)
      if (!reduced[i]) rank_of[i] = next++;
    left.clear();
    for (int64_t axis : perm)
      if (!reduced[static_cast<size_t>(axis)]) left.push_back(rank_of[static_cast<size_t>(axis)]);
  }
  patch.replace(node.output(), transpose(patch, y, left));
  return true;
}

// Slice with constant axes: Slice(Transpose(x), axes) = Transpose(Slice(x, perm[axes]))
bool sink_through_slice(ir::Node& node, Patch& patch) {
  const Perm perm = permutation_of(node.input(0));
  const auto axes = constant_integers(node.input(3));
  if (perm.empty() || !axes) return false;
  std::vector<int64_t> moved;
  for (int64_t axis : *axes) {
    if (axis < 0) axis += static_cast<int64_t>(perm.size());
    if (axis < 0 || axis >= static_cast<int64_t>(perm.size())) return false;
    moved.push_back(perm[static_cast<size_t>(axis)]);
  }
  std::vector<ir::Value*> inputs = node.inputs();
  inputs[0] = below(inputs[0]);
  inputs[3] = patch.constant(moved);
  patch.replace(node.output(),
                transpose(patch, patch.add("Slice", inputs, node.attributes()), perm));
  return true;
}

// Gather(Transpose(x), indices of rank 0 or 1, axis) = Transpose(Gather(x, perm[axis]))
bool sink_through_gather(ir::Node& node, Patch& patch) {
  const Perm perm = permutation_of(node.input(0));
  if (perm.empty() || !node.input(1)->type().has_rank()) return false;
  const size_t index_rank = node.input(1)->type().shape->size();
  int64_t axis = node.attributes().integer("axis", 0);
  if (axis < 0) axis += static_cast<int64_t>(perm.size());
  if (index_rank > 1 || axis < 0 || axis >= static_cast<int64_t>(perm.size())) return false;
  const int64_t own = perm[static_cast<size_t>(axis)];
  ir::Value* y = patch.add("Gather", {below(node.input(0)), node.input(1)}, {{"axis", own}});
  Perm left;
  for (int64_t p : perm) {
    if (index_rank == 0 && p == own) continue;
    left.push_back(index_rank == 0 && p > own ? p - 1 : p);
  }
  patch.replace(node.output(), transpose(patch, y, left));
  return true;
}

// Whether `perm` brings channels that lie last to axis 1.
bool brings_channels_first(const Perm& perm) {
  if (perm.size() < 3 || perm[0] != 0 || perm[1] != static_cast<int64_t>(perm.size()) - 1)
    return false;
  for (size_t i = 2; i < perm.size(); ++i)
    if (perm[i] != static_cast<int64_t>(i) - 1) return false;
  return true;
}

// A channel shuffle: Reshape(Transpose(Reshape(x, [n, g, c, h, w]), [0, 2, 1, 3, 4]), shape of x)
// of an x whose channels come from the last axis: the same on the last axis.
bool sink_through_shuffle(ir::Node& node, Patch& patch) {
  const ir::Node* turn = producer(node.input(0), "Transpose");
  const ir::Node* split = turn != nullptr ? producer(turn->input(0), "Reshape") : nullptr;
  if (split == nullptr || !same_shape(split->input(0), node.output())) return false;
  const Perm perm = permutation_of(split->input(0));
  if (perm.size() != 4 || !brings_channels_first(perm) || permutation(turn) != Perm{0, 2, 1, 3, 4})
    return false;
  const Shape& whole = *split->input(0)->type().shape;
  const Shape& parts = *split->output()->type().shape;
  if (!(parts[0] == whole[0]) || !(parts[3] == whole[2]) || !(parts[4] == whole[3])) return false;
  if (!parts[1].is_constant() || !parts[2].is_constant() || !whole[1].is_constant()) return false;
  if (parts[1].value() < 1 || parts[2].value() < 1) return false;
  const std::vector<int64_t> apart = {0, 0, 0, parts[1].value(), parts[2].value()};
  const std::vector<int64_t> together = {0, 0, 0, whole[1].value()};
  ir::Value* y = patch.add("Reshape", {below(split->input(0)), patch.constant(apart)});
  y = patch.add("Transpose", {y}, {{"perm", Perm{0, 1, 2, 4, 3}}});
  y = patch.add("Reshape", {y, patch.constant(together)});
  patch.replace(node.output(), transpose(patch, y, perm));
  return true;
}

// InstanceNormalization and GroupNormalization of channels that come from the last axis: their
// forms with channels last.
bool sink_through_norm(ir::Node& node, Patch& patch) {
  const Perm perm = permutation_of(node.input(0));
  if (!brings_channels_first(perm) || node.input(0)->type().dtype != DType::kF32) return false;
  std::vector<ir::Value*> inputs = node.inputs();
  inputs[0] = below(inputs[0]);
  ir::Value* y = patch.add("planish." + node.op() + "Nhwc", inputs, node.attributes());
  patch.replace(node.output(), transpose(patch, y, perm));
  return true;
}

// Pad with constant pads of every axis, and Resize with constant scales or sizes of every axis: the
// numbers are permuted.
bool sink_through_pad(ir::Node& node, Patch& patch) {
  const Perm perm = permutation_of(node.input(0));
  const auto pads = constant_integers(node.input(1));
  if (perm.empty() || !pads || node.input(3) != nullptr || pads->size() != 2 * perm.size())
    return false;
  std::vector<int64_t> moved(pads->size());
  for (size_t i = 0; i < perm.size(); ++i) {
    const auto axis = static_cast<size_t>(perm[i]);
    moved[axis] = (*pads)[i];
    moved[perm.size() + axis] = (*pads)[perm.size() + i];
  }
  std::vector<ir::Value*> inputs = node.inputs();
  inputs[0] = below(inputs[0]);
  inputs[1] = patch.constant(moved);
  patch.replace(node.output(), transpose(patch, patch.add("Pad", inputs, node.attributes()), perm));
  return true;
}

bool sink_through_resize(ir::Node& node, Patch& patch) {
  const Perm perm = permutation_of(node.input(0));
  if (perm.empty() || node.attributes().has("axes")) return false;
  if (node.attributes().text("coordinate_transformation_mode", "half_pixel") ==
      "tf_crop_and_resize")
    return false;
  std::vector<ir::Value*> inputs = node.inputs();
  inputs[0] = below(inputs[0]);
  if (inputs.size() > 1) inputs[1] = nullptr;  // roi is read by tf_crop_and_resize only
  bool found = false;
  for (size_t k = 2; k < inputs.size(); ++k) {
    if (inputs[k] == nullptr) continue;
    if (inputs[k]->is_constant() && inputs[k]->constant().count() == 0) {
      inputs[k] = nullptr;
      continue;
    }
    if (!inputs[k]->is_constant() ||
        inputs[k]->constant().count() != static_cast<int64_t>(perm.size()))
      return false;
    const Tensor& numbers = inputs[k]->constant();
    const std::vector<double> old = load<double>(numbers);
    std::vector<double> moved(old.size());
    for (size_t i = 0; i < perm.size(); ++i) moved[static_cast<size_t>(perm[i])] = old[i];
    Tensor t(numbers.dtype(), numbers.dims());
    store(t, moved);
    inputs[k] = patch.constant(std::move(t));
    found = true;
  }
  if (!found) return false;
  while (!inputs.empty() && inputs.back() == nullptr) inputs.pop_back();
  patch.replace(node.output(),
                transpose(patch, patch.add("Resize", inputs, node.attributes()), perm));
  return true;
}

constexpr Rule kMergeRules[] = {
    {"merge-transposes", "Transpose", merge_two},
    {"transpose-is-reshape", "Transpose", transpose_is_reshape},
};

constexpr Rule kSinkRules[] = {
    {"merge-transposes", "Transpose", merge_two},
    {"sink-transpose-concat", "Concat", sink_through_concat},
    {"sink-transpose-softmax", "Softmax", sink_through_axis},
    {"sink-transpose-log-softmax", "LogSoftmax", sink_through_axis},
    {"sink-transpose-split", "Split", sink_through_axis},
    {"sink-transpose-mean", "ReduceMean", sink_through_reduce},
    {"sink-transpose-sum", "ReduceSum", sink_through_reduce},
    {"sink-transpose-max", "ReduceMax", sink_through_reduce},
    {"sink-transpose-min", "ReduceMin", sink_through_reduce},
    {"sink-transpose-slice", "Slice", sink_through_slice},
    {"sink-transpose-gather", "Gather", sink_through_gather},
    {"sink-transpose-shuffle", "Reshape", sink_through_shuffle},
    {"sink-transpose-instance-norm", "InstanceNormalization", sink_through_norm},
    {"sink-transpose-group-norm", "GroupNormalization", sink_through_norm},
    {"sink-transpose-pad", "Pad", sink_through_pad},
    {"sink-transpose-resize", "Resize", sink_through_resize},
    {"sink-transpose-pointwise", nullptr, sink_through_pointwise},
};

// Conv(x) = Transpose(ConvNhwc(Transpose(x)))
bool channels_last(ir::Node& node, Patch& patch) {
  const ir::Value* x = node.input(0);
  if (x == nullptr || !x->type().has_rank() || x->type().dtype != DType::kF32) return false;
  const size_t rank = x->type().shape->size();
  if (rank < 3 || node.output(0) == nullptr ||
      (node.outputs().size() > 1 && node.output(1) != nullptr))
    return false;
  put_channels_last(node, rank, patch);
  return true;
}

constexpr Rule kChannelsLastRules[] = {
    {"conv-channels-last", "Conv", channels_last},
    {"conv-transpose-channels-last", "ConvTranspose", channels_last},
    {"max-pool-channels-last", "MaxPool", channels_last},
    {"average-pool-channels-last", "AveragePool", channels_last},
};

}  // namespace

void put_channels_last(ir::Node& node, size_t rank, Patch& patch) {
  Perm to_first(rank);
  std::iota(to_first.begin(), to_first.end(), -1);
  to_first[0] = 0;
  to_first[1] = static_cast<int64_t>(rank) - 1;
  std::vector<ir::Value*> inputs = node.inputs();
  inputs[0] = transpose(patch, inputs[0], inverse(to_first));
  ir::Value* y = patch.add("planish." + node.op() + "Nhwc", inputs, node.attributes());
  patch.replace(node.output(0), transpose(patch, y, to_first));
}

bool merge_transposes(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kMergeRules, context);
}

bool sink_transposes(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kSinkRules, context);
}

bool use_channels_last(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kChannelsLastRules, context);
}

}  // namespace planish::passes
