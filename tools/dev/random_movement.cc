// SPDX-License-Identifier: Apache-2.0
// Random nodes that move elements.
#include <algorithm>
#include <numeric>

#include "random_generator.h"

namespace planish::dev {
namespace {

bool is_any(const Type&) { return true; }
bool has_axes(const Type& type) { return !type.shape->empty(); }

int64_t rank_of(const ir::Value* v) { return static_cast<int64_t>(v->type().shape->size()); }

int64_t random_axis(GraphMaker& g, const ir::Value* v) {
  const int64_t axis = g.random().below(rank_of(v));
  return g.random().chance(30) ? axis - rank_of(v) : axis;
}

bool make_transpose(GraphMaker& g) {
  ir::Value* x = g.pick(has_axes);
  if (x == nullptr) return false;
  std::vector<int64_t> perm(x->type().shape->size());
  std::iota(perm.begin(), perm.end(), 0);
  for (size_t i = perm.size(); i > 1; --i)
    std::swap(perm[i - 1], perm[static_cast<size_t>(g.random().below(static_cast<int64_t>(i)))]);
  // Between channels first and last, as networks do.
  if (perm.size() == 4 && g.random().chance(50))
    perm =
        g.random().chance(50) ? std::vector<int64_t>{0, 2, 3, 1} : std::vector<int64_t>{0, 3, 1, 2};
  return g.add("Transpose", {x}, {{"perm", perm}}) != nullptr;
}

bool make_reshape(GraphMaker& g) {
  ir::Value* x = g.pick(is_any);
  if (x == nullptr) return false;
  const Shape& shape = *x->type().shape;
  std::vector<int64_t> to;
  bool has_open = false;
  // Neighbours are joined, constants split, symbols kept.
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i].is_constant() && shape[i].value() % 2 == 0 && shape[i].value() > 0 &&
        g.random().chance(40)) {
      to.push_back(2);
      to.push_back(shape[i].value() / 2);
    } else if (!has_open && g.random().chance(30)) {
      to.push_back(-1);
      has_open = true;
      if (i + 1 < shape.size() && g.random().chance(60)) ++i;
    } else if (shape[i].is_constant() && shape[i].value() != 0) {
      to.push_back(shape[i].value());
    } else if (to.size() == i) {
      to.push_back(0);
    } else if (!has_open) {
      to.push_back(-1);
      has_open = true;
    } else {
      return false;
    }
  }
  if (g.random().chance(10))
    to.insert(to.begin() + g.random().between(0, static_cast<int64_t>(to.size())), 1);
  return g.add("Reshape", {x, g.integers(to)}) != nullptr;
}

// Reshape to a shape that is computed: Shape, Gather, Concat.
bool make_computed_reshape(GraphMaker& g) {
  ir::Value* x = g.pick(has_axes);
  if (x == nullptr) return false;
  ir::Value* shape = g.add("Shape", {x});
  ir::Value* first = shape == nullptr ? nullptr : g.add("Gather", {shape, g.integers({0})});
  if (first == nullptr) return false;
  if (g.random().chance(30)) {
    ir::Value* all = g.add("ReduceProd", {shape}, {{"keepdims", int64_t{1}}});
    return all != nullptr && g.add("Reshape", {x, all}) != nullptr;
  }
  ir::Value* to = g.add("Concat", {first, g.integers({-1})}, {{"axis", int64_t{0}}});
  return to != nullptr && g.add("Reshape", {x, to}) != nullptr;
}

bool make_axes(GraphMaker& g) {
  ir::Value* x = g.pick(is_any);
  if (x == nullptr) return false;
  if (g.random().chance(50)) {
    std::vector<int64_t> ones;
    for (int64_t i = 0; i < rank_of(x); ++i)
      if ((*x->type().shape)[static_cast<size_t>(i)] == Dim(1)) ones.push_back(i);
    if (ones.empty()) return false;
    return g.add("Squeeze", {x, g.integers({g.random().of(ones)})}) != nullptr;
  }
  if (rank_of(x) > 4) return false;
  return g.add("Unsqueeze", {x, g.integers({g.random().between(-rank_of(x) - 1, rank_of(x))})}) !=
         nullptr;
}

bool make_flatten(GraphMaker& g) {
  ir::Value* x = g.pick(is_any);
  return x != nullptr &&
         g.add("Flatten", {x}, {{"axis", g.random().between(0, rank_of(x))}}) != nullptr;
}

bool make_concat(GraphMaker& g) {
  ir::Value* x = g.pick(has_axes);
  if (x == nullptr) return false;
  const int64_t axis = g.random().below(rank_of(x));
  std::vector<ir::Value*> parts = {x};
  for (int64_t i = g.random().between(1, 2); i > 0; --i) {
    std::vector<ir::Value*> same;
    for (ir::Value* v : g.values())
      if (v->type() == x->type()) same.push_back(v);
    if (g.random().chance(70) && !same.empty()) {
      parts.push_back(g.random().of(same));
    } else {
      Shape shape = *x->type().shape;
      shape[static_cast<size_t>(axis)] = g.random().between(1, 4);
      parts.push_back(g.fresh(x->type().dtype, shape));
    }
  }
  return g.add("Concat", parts, {{"axis", axis}}) != nullptr;
}

bool make_split(GraphMaker& g) {
  ir::Value* x = g.pick(has_axes);
  if (x == nullptr) return false;
  const int64_t axis = g.random().below(rank_of(x));
  const Dim& dim = (*x->type().shape)[static_cast<size_t>(axis)];
  if (!dim.is_constant() || dim.value() < 2) return false;
  if (g.random().chance(50)) {
    const int64_t first = g.random().between(0, dim.value());
    return !g.add_many("Split", {x, g.integers({first, dim.value() - first})}, 2, {{"axis", axis}})
                .empty();
  }
  return !g.add_many("Split", {x}, 2, {{"axis", axis}, {"num_outputs", int64_t{2}}}).empty();
}

bool make_slice(GraphMaker& g) {
  ir::Value* x = g.pick(has_axes);
  if (x == nullptr) return false;
  static const std::vector<int64_t> kSteps = {1, 1, 1, 1, 2, -1, -2};
  const int64_t step = g.random().of(kSteps);
  int64_t start = g.random().between(-3, 3), end = g.random().between(-2, 6);
  if (g.random().chance(40)) end = INT64_MAX;
  if (step < 0) {
    start = -1;
    end = g.random().chance(50) ? INT64_MIN : 0;
  }
  return g.add("Slice", {x, g.integers({start}), g.integers({end}), g.integers({random_axis(g, x)}),
                         g.integers({step})}) != nullptr;
}

bool make_gather(GraphMaker& g) {
  ir::Value* x = g.pick(has_axes);
  const auto dims = x == nullptr ? std::nullopt : g.dims(x);
  if (!dims) return false;
  const int64_t axis = g.random().below(rank_of(x));
  const int64_t size = (*dims)[static_cast<size_t>(axis)];
  if (size == 0) return false;
  std::vector<int64_t> at;
  for (int64_t i = g.random().between(1, 4); i > 0; --i)
    at.push_back(g.random().chance(60) ? 0 : g.random().between(-size, size - 1));
  if (g.random().chance(25))
    return g.add("Gather", {x, g.constant(Tensor::scalar_i64(at[0]))}, {{"axis", axis}}) != nullptr;
  return g.add("Gather", {x, g.integers(at)}, {{"axis", axis}}) != nullptr;
}

bool make_pad(GraphMaker& g) {
  static const std::vector<std::string> kModes = {"constant", "constant", "edge", "reflect",
                                                  "wrap"};
  ir::Value* x = g.pick(has_axes);
  if (x == nullptr) return false;
  std::vector<int64_t> pads(static_cast<size_t>(2 * rank_of(x)), 0);
  for (int64_t& pad : pads)
    if (g.random().chance(30)) pad = g.random().between(-1, 2);
  return g.add("Pad", {x, g.integers(pads)}, {{"mode", g.random().of(kModes)}}) != nullptr;
}

bool make_expand(GraphMaker& g) {
  ir::Value* x = g.pick(is_any);
  if (x == nullptr) return false;
  std::vector<int64_t> to(static_cast<size_t>(rank_of(x)), 1);
  for (size_t i = 0; i < to.size(); ++i)
    if ((*x->type().shape)[i] == Dim(1)) to[i] = g.random().between(1, 3);
  if (g.random().chance(30)) to.insert(to.begin(), 2);
  if (g.random().chance(50)) return g.add("Expand", {x, g.integers(to)}) != nullptr;
  to.resize(static_cast<size_t>(rank_of(x)));
  for (int64_t& n : to) n = g.random().between(1, 2);
  return g.add("Tile", {x, g.integers(to)}) != nullptr;
}

bool make_blocks(GraphMaker& g) {
  ir::Value* x = g.pick_float(4, 4);
  if (x == nullptr) return false;
  if (g.random().chance(50))
    return g.add("DepthToSpace", {x},
                 {{"blocksize", int64_t{2}},
                  {"mode", std::string(g.random().chance(50) ? "DCR" : "CRD")}}) != nullptr;
  return g.add("SpaceToDepth", {x}, {{"blocksize", int64_t{2}}}) != nullptr;
}

bool make_resize(GraphMaker& g) {
  static const std::vector<std::string> kCoordinates = {"half_pixel", "asymmetric", "align_corners",
                                                        "pytorch_half_pixel"};
  static const std::vector<std::string> kModes = {"nearest", "nearest", "linear", "cubic"};
  ir::Value* x = g.pick_float(3, 4);
  if (x == nullptr) return false;
  Tensor scales(DType::kF32, {rank_of(x)});
  for (int64_t i = 0; i < rank_of(x); ++i)
    scales.as<float>()[i] = i < 2 ? 1.0F : g.random().chance(70) ? 2.0F : 0.5F;
  return g.add("Resize", {x, nullptr, g.constant(std::move(scales))},
               {{"coordinate_transformation_mode", g.random().of(kCoordinates)},
                {"mode", g.random().of(kModes)},
                {"nearest_mode",
                 std::string(g.random().chance(50) ? "floor" : "round_prefer_floor")}}) != nullptr;
}

bool make_selection(GraphMaker& g) {
  ir::Value* x = g.pick_float(1, 3);
  if (x == nullptr) return false;
  switch (g.random().below(4)) {
    case 0: return g.add("Trilu", {x}, {{"upper", g.random().below(2)}}) != nullptr;
    case 1: {
      ir::Value* t = g.add("Greater", {x, g.scalar(x->type().dtype, 0)});
      return t != nullptr && g.add("NonZero", {t}) != nullptr;
    }
    case 2: {
      ir::Value* flat = g.add("Reshape", {x, g.integers({-1})});
      ir::Value* t =
          flat == nullptr ? nullptr : g.add("Less", {flat, g.scalar(x->type().dtype, 0)});
      return t != nullptr && g.add("Compress", {flat, t}) != nullptr;
    }
    default:
      return g.add("CumSum", {x, g.constant(Tensor::scalar_i64(g.random().below(rank_of(x))))},
                   {{"exclusive", g.random().below(2)}, {"reverse", g.random().below(2)}}) !=
             nullptr;
  }
}

constexpr WeightedMaker kMakers[] = {
    {8, make_transpose}, {6, make_reshape},   {4, make_computed_reshape},
    {4, make_axes},      {2, make_flatten},   {6, make_concat},
    {4, make_split},     {6, make_slice},     {4, make_gather},
    {4, make_pad},       {3, make_expand},    {2, make_blocks},
    {3, make_resize},    {3, make_selection},
};

}  // namespace

std::span<const WeightedMaker> movement_makers() { return kMakers; }

}  // namespace planish::dev
