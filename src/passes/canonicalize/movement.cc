// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/op.h"
#include "passes/canonicalize/algebra.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::passes {
namespace {

int64_t axis_of(const ir::Node& node, size_t rank, int64_t fallback) {
  const int64_t axis = node.attributes().integer("axis", fallback);
  return axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
}

std::optional<size_t> rank_of(const ir::Value* v) {
  if (v == nullptr || !v->type().has_rank()) return std::nullopt;
  return v->type().shape->size();
}

const Dim& dim(const ir::Value* v, int64_t axis) {
  return (*v->type().shape)[static_cast<size_t>(axis)];
}

// --- Slice
// ----------------------------------------------------------------------------------------

// A Slice along one axis of constant size, forwards and one by one: [begin, end) inside the axis.
struct Range {
  int64_t axis, begin, end;
};

std::optional<Range> range_of(const ir::Node& slice) {
  const auto rank = rank_of(slice.input(0));
  const auto starts = constant_integers(slice.input(1)), ends = constant_integers(slice.input(2));
  if (!rank || !starts || !ends || starts->size() != 1 || ends->size() != 1) return std::nullopt;
  std::vector<int64_t> axes = {0}, steps = {1};
  if (slice.input(3) != nullptr) {
    const auto given = constant_integers(slice.input(3));
    if (!given || given->size() != 1) return std::nullopt;
    axes = *given;
  }
  if (slice.input(4) != nullptr) {
    const auto given = constant_integers(slice.input(4));
    if (!given || given->size() != 1) return std::nullopt;
    steps = *given;
  }
  if (axes[0] < 0) axes[0] += static_cast<int64_t>(*rank);
  const Dim& size = dim(slice.input(0), axes[0]);
  if (steps[0] != 1 || !size.is_constant()) return std::nullopt;
  const int64_t n = size.value();
  auto place = [n](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + n : at, 0, n); };
  const Range range{axes[0], place((*starts)[0]), place((*ends)[0])};
  return range.begin < range.end ? std::optional<Range>(range) : std::nullopt;
}

ir::Value* slice(Patch& patch, ir::Value* x, const Range& range) {
  const Dim& size = dim(x, range.axis);
  if (range.begin == 0 && size == Dim(range.end)) return x;
  return patch.add("Slice", {x, patch.constant(std::vector<int64_t>{range.begin}),
                             patch.constant(std::vector<int64_t>{range.end}),
                             patch.constant(std::vector<int64_t>{range.axis})});
}

// Slice(Concat(a, b, c)) = Slice(b), or a Concat of those parts alone that the slice touches
bool slice_of_concat(ir::Node& node, Patch& patch) {
  const ir::Node* concat = producer_any_users(node.input(0), "Concat");
  const auto range = range_of(node);
  if (concat == nullptr || !range) return false;
  if (axis_of(*concat, *rank_of(node.input(0)), 0) != range->axis) return false;
  std::vector<std::pair<ir::Value*, Range>> touched;
  int64_t at = 0;
  for (ir::Value* part : concat->inputs()) {
    if (!rank_of(part) || !dim(part, range->axis).is_constant()) return false;
    const int64_t size = dim(part, range->axis).value();
    const Range inside{range->axis, std::max(range->begin - at, int64_t{0}),
                       std::min(range->end - at, size)};
    if (inside.begin < inside.end) touched.emplace_back(part, inside);
    at += size;
  }
  // Cutting several parts would cost as many copies.
  const auto is_whole = [&](const auto& item) {
    return item.second.begin == 0 && Dim(item.second.end) == dim(item.first, range->axis);
  };
  if (touched.empty() || touched.size() == concat->inputs().size()) return false;
  if (touched.size() > 1 && !std::all_of(touched.begin(), touched.end(), is_whole)) return false;
  std::vector<ir::Value*> parts;
  for (const auto& [part, inside] : touched) parts.push_back(slice(patch, part, inside));
  patch.replace(node.output(),
                parts.size() == 1 ? parts[0] : patch.add("Concat", parts, {{"axis", range->axis}}));
  return true;
}

// Slice(Slice(x, a..b), c..d) = Slice(x, a+c..a+d) along one axis
bool slice_of_slice(ir::Node& node, Patch& patch) {
  const ir::Node* inner = producer_any_users(node.input(0), "Slice");
  const auto outer_range = range_of(node);
  if (inner == nullptr || !outer_range) return false;
  const auto inner_range = range_of(*inner);
  if (!inner_range || inner_range->axis != outer_range->axis) return false;
  patch.replace(node.output(), slice(patch, inner->input(0),
                                     {outer_range->axis, inner_range->begin + outer_range->begin,
                                      inner_range->begin + outer_range->end}));
  return true;
}

// --- Concat and Split
// -------------------------------------------------------------------------------

// Concat(Concat(a, b), c) = Concat(a, b, c) along one axis
bool concat_of_concat(ir::Node& node, Patch& patch) {
  const auto rank = rank_of(node.output());
  if (!rank) return false;
  const int64_t axis = axis_of(node, *rank, 0);
  std::vector<ir::Value*> parts;
  for (ir::Value* in : node.inputs()) {
    const ir::Node* inner = producer(in, "Concat");
    if (inner != nullptr && axis_of(*inner, *rank, 0) == axis)
      parts.insert(parts.end(), inner->inputs().begin(), inner->inputs().end());
    else
      parts.push_back(in);
  }
  if (parts.size() == node.inputs().size()) return false;
  patch.replace(node.output(), patch.add("Concat", parts, {{"axis", axis}}));
  return true;
}

// Concat(Split(x)) = x, of all parts in order along one axis
bool concat_of_split(ir::Node& node, Patch& patch) {
  const ir::Node* split = producer_any_users(node.input(0), "Split");
  const auto rank = rank_of(node.output());
  if (split == nullptr || !rank || split->outputs() != node.inputs()) return false;
  if (axis_of(*split, *rank, 0) != axis_of(node, *rank, 0)) return false;
  patch.replace(node.output(), split->input(0));
  return true;
}

// Split(Concat(a, b)) = a, b where the sizes agree
bool split_of_concat(ir::Node& node, Patch& patch) {
  const ir::Node* concat = producer_any_users(node.input(0), "Concat");
  const auto rank = rank_of(node.input(0));
  if (concat == nullptr || !rank || concat->inputs().size() != node.outputs().size()) return false;
  const int64_t axis = axis_of(node, *rank, 0);
  if (axis_of(*concat, *rank, 0) != axis) return false;
  for (size_t i = 0; i < node.outputs().size(); ++i) {
    const ir::Value* part = node.outputs()[i];
    if (part != nullptr && !same_shape(part, concat->inputs()[i])) return false;
    // Where a part is not wanted, its size is not known.
    if (part == nullptr) return false;
  }
  for (size_t i = 0; i < node.outputs().size(); ++i)
    patch.replace(node.outputs()[i], concat->inputs()[i]);
  return true;
}

// Split(x) of one part = x; of which one part is used = Slice(x)
bool split_is_slice(ir::Node& node, Patch& patch) {
  const auto rank = rank_of(node.input(0));
  if (!rank) return false;
  if (node.outputs().size() == 1) {
    patch.replace(node.output(), node.input(0));
    return true;
  }
  int used = -1;
  for (size_t i = 0; i < node.outputs().size(); ++i) {
    if (node.outputs()[i] == nullptr || node.outputs()[i]->uses().empty()) continue;
    if (used >= 0) return false;
    used = static_cast<int>(i);
  }
  const int64_t axis = axis_of(node, *rank, 0);
  if (used < 0 || !dim(node.input(0), axis).is_constant()) return false;
  const auto sizes = constant_integers(node.input(1));
  const int64_t total = dim(node.input(0), axis).value(),
                count = static_cast<int64_t>(node.outputs().size());
  int64_t begin = 0, size = 0;
  if (sizes) {
    for (int i = 0; i < used; ++i) begin += (*sizes)[static_cast<size_t>(i)];
    size = (*sizes)[static_cast<size_t>(used)];
  } else if (node.input(1) == nullptr) {
    const int64_t chunk = (total + count - 1) / count;  // the last one may be smaller
    begin = chunk * used;
    size = std::min(chunk, total - begin);
  }
  if (size <= 0) return false;
  patch.replace(node.output(used), slice(patch, node.input(0), {axis, begin, begin + size}));
  return true;
}

// --- Gather
// -----------------------------------------------------------------------------------------

// Gather(x, [k, k+1, ...]) = Slice(x, k..)
bool gather_is_slice(ir::Node& node, Patch& patch) {
  const auto rank = rank_of(node.input(0));
  const auto indices = constant_integers(node.input(1));
  if (!rank || !indices || indices->empty() || node.input(1)->constant().rank() != 1) return false;
  const int64_t axis = axis_of(node, *rank, 0);
  if (!dim(node.input(0), axis).is_constant()) return false;
  const int64_t size = dim(node.input(0), axis).value();
  std::vector<int64_t> at = *indices;
  for (int64_t& i : at) i += i < 0 ? size : 0;
  for (size_t i = 1; i < at.size(); ++i)
    if (at[i] != at[0] + static_cast<int64_t>(i)) return false;
  if (at.front() < 0 || at.back() >= size) return false;
  patch.replace(node.output(), slice(patch, node.input(0), {axis, at.front(), at.back() + 1}));
  return true;
}

// --- broadcasting
// -----------------------------------------------------------------------------------

// The shape to which `shapes` broadcast, where it can be proven.
std::optional<Shape> broadcast(const std::vector<const Shape*>& shapes) {
  size_t rank = 0;
  for (const Shape* s : shapes) rank = std::max(rank, s->size());
  Shape out(rank, Dim(1));
  for (const Shape* s : shapes)
    for (size_t i = 0; i < s->size(); ++i) {
      Dim& d = out[rank - s->size() + i];
      const Dim& other = (*s)[i];
      if (other == Dim(1) || d == other) continue;
      if (!(d == Dim(1))) return std::nullopt;
      d = other;
    }
  return out;
}

// f(Expand(x), y) = f(x, y) for a pointwise f whose other inputs have the whole shape
bool drop_expand_before_pointwise(ir::Node& node, Patch& patch) {
  if (!get_op(node.op()).is_pointwise || node.inputs().size() < 2) return false;
  // The bounds of Clip are scalars, and the slope of PRelu broadcasts one way.
  if (node.op() == "Clip" || node.op() == "PRelu") return false;
  if (node.output() == nullptr || !node.output()->type().has_rank()) return false;
  const Shape& result = *node.output()->type().shape;
  std::vector<ir::Value*> inputs = node.inputs();
  bool found = false;
  for (ir::Value*& in : inputs) {
    if (in == nullptr || !in->type().has_rank()) return false;
    const ir::Node* expand = producer_any_users(in, "Expand");
    if (expand == nullptr || !expand->input(0)->type().has_rank()) continue;
    ir::Value* whole = in;
    in = expand->input(0);
    std::vector<const Shape*> shapes;
    for (const ir::Value* v : inputs)
      if (v->type().has_rank()) shapes.push_back(&*v->type().shape);
    const auto narrow = shapes.size() == inputs.size() ? broadcast(shapes) : std::nullopt;
    if (narrow && *narrow == result)
      found = true;
    else
      in = whole;
  }
  if (!found) return false;
  patch.replace(node.output(), patch.add(node.op(), inputs, node.attributes()));
  return true;
}

// Shape(f(x)) = Shape(x) for an f that keeps the shape
bool shape_of_same(ir::Node& node, Patch& patch) {
  const ir::Value* y = node.input(0);
  if (y->producer() == nullptr) return false;
  const std::string& op = y->producer()->op();
  if (!get_op(op).is_pointwise && op != "Cast" && op != "Softmax" && op != "LogSoftmax")
    return false;
  for (ir::Value* x : y->producer()->inputs())
    if (x != nullptr && !x->is_constant() && same_shape(x, y)) {
      patch.replace(node.output(), patch.add("Shape", {x}, node.attributes()));
      return true;
    }
  return false;
}

// --- Cast
// -------------------------------------------------------------------------------------------

// Whether every value of `from` is one of `to`.
bool holds_exactly(DType from, DType to) {
  if (from == to) return true;
  const DTypeClass a = dtype_class(from), b = dtype_class(to);
  if (a == DTypeClass::kBool)
    return b == DTypeClass::kSigned || b == DTypeClass::kUnsigned || is_float(to);
  if (is_integer(from) && is_integer(to)) {
    if (a == b) return dtype_bits(to) >= dtype_bits(from);
    return a == DTypeClass::kUnsigned && dtype_bits(to) > dtype_bits(from);
  }
  if (is_integer(from)) {
    const int digits = to == DType::kF64 ? 53 : to == DType::kF32 ? 24 : to == DType::kF16 ? 11 : 0;
    return digits >= dtype_bits(from);
  }
  if (to == DType::kF64) return from == DType::kF32 || from == DType::kF16 || from == DType::kBF16;
  return to == DType::kF32 && (from == DType::kF16 || from == DType::kBF16);
}

// Cast(Cast(x, a), b) = Cast(x, b) if a holds every value of x
bool cast_of_cast(ir::Node& node, Patch& patch) {
  const ir::Node* inner = producer_any_users(node.input(0), "Cast");
  if (inner == nullptr || node.output()->type().dtype == DType::kString) return false;
  if (!holds_exactly(inner->input(0)->type().dtype, node.input(0)->type().dtype)) return false;
  patch.replace(node.output(), patch.add("Cast", {inner->input(0)}, node.attributes()));
  return true;
}

constexpr Rule kRules[] = {
    {"slice-of-concat", "Slice", slice_of_concat},
    {"slice-of-slice", "Slice", slice_of_slice},
    {"concat-of-concat", "Concat", concat_of_concat},
    {"concat-of-split", "Concat", concat_of_split},
    {"split-of-concat", "Split", split_of_concat},
    {"split-is-slice", "Split", split_is_slice},
    {"gather-is-slice", "Gather", gather_is_slice},
    {"shape-of-same", "Shape", shape_of_same},
    {"cast-of-cast", "Cast", cast_of_cast},
    {"drop-expand-before-pointwise", nullptr, drop_expand_before_pointwise},
};

}  // namespace

bool simplify_movement(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRules, context);
}

}  // namespace planish::passes
