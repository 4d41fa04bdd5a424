// SPDX-License-Identifier: Apache-2.0
// Random reductions and normalisations, some of them spelled out in pieces.
#include "random_generator.h"

namespace planish::dev {
namespace {

int64_t rank_of(const ir::Value* v) { return static_cast<int64_t>(v->type().shape->size()); }

bool make_reduce(GraphMaker& g) {
  static const std::vector<std::string> kOps = {"ReduceMean",      "ReduceSum",      "ReduceMax",
                                                "ReduceMin",       "ReduceL1",       "ReduceL2",
                                                "ReduceSumSquare", "ReduceLogSumExp"};
  ir::Value* x = g.pick_float(1, 5);
  if (x == nullptr) return false;
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < rank_of(x); ++i)
    if (g.random().chance(40)) axes.push_back(g.random().chance(20) ? i - rank_of(x) : i);
  Attributes attributes{{"keepdims", g.random().below(2)}};
  if (axes.empty() && g.random().chance(50)) attributes.set("noop_with_empty_axes", int64_t{1});
  std::vector<ir::Value*> inputs = {x};
  if (!axes.empty()) inputs.push_back(g.integers(axes));
  return g.add(g.random().of(kOps), inputs, attributes) != nullptr;
}

bool make_arg(GraphMaker& g) {
  ir::Value* x = g.pick_float(1, 4);
  if (x == nullptr) return false;
  const int64_t axis = g.random().between(-rank_of(x), rank_of(x) - 1);
  if (g.random().chance(60))
    return g.add(g.random().chance(50) ? "ArgMax" : "ArgMin", {x},
                 {{"axis", axis},
                  {"keepdims", g.random().below(2)},
                  {"select_last_index", g.random().below(2)}}) != nullptr;
  return !g.add_many("TopK", {x, g.integers({g.random().between(1, 2)})}, 2,
                     {{"axis", axis}, {"largest", g.random().below(2)}})
              .empty();
}

bool make_softmax(GraphMaker& g) {
  static const std::vector<std::string> kOps = {"Softmax", "Softmax", "LogSoftmax", "Hardmax"};
  ir::Value* x = g.pick_float(1, 5);
  return x != nullptr &&
         g.add(g.random().of(kOps), {x},
               {{"axis", g.random().between(-rank_of(x), rank_of(x) - 1)}}) != nullptr;
}

bool make_norm(GraphMaker& g) {
  ir::Value* x = g.pick_float(2, 4);
  if (x == nullptr) return false;
  const DType type = x->type().dtype;
  const Dim &last = x->type().shape->back(), &channels = (*x->type().shape)[1];
  switch (g.random().below(4)) {
    case 0:
      return g.add("LayerNormalization", {x, g.fresh(type, {last}), g.fresh(type, {last})}) !=
             nullptr;
    case 1: return g.add("RMSNormalization", {x, g.fresh(type, {last})}) != nullptr;
    case 2:
      return rank_of(x) > 2 &&
             g.add("InstanceNormalization",
                   {x, g.fresh(type, {channels}), g.fresh(type, {channels})}) != nullptr;
    default:
      return rank_of(x) > 2 && channels.is_constant() && channels.value() > 0 &&
             g.add("GroupNormalization", {x, g.fresh(type, {channels}), g.fresh(type, {channels})},
                   {{"num_groups", channels.value() % 2 == 0 ? int64_t{2} : int64_t{1}}}) !=
                 nullptr;
  }
}

bool make_spelled_norm(GraphMaker& g) {
  ir::Value* x =
      g.pick([](const Type& type) { return type.dtype == DType::kF32 && !type.shape->empty(); });
  if (x == nullptr) return false;
  ir::Value* axes = g.integers({g.random().chance(80) ? -1 : 0});
  ir::Value* centred = x;
  if (g.random().chance(60)) {
    ir::Value* mean = g.add("ReduceMean", {x, axes});
    centred = mean == nullptr ? nullptr : g.add("Sub", {x, mean});
  }
  ir::Value* squares = centred == nullptr      ? nullptr
                       : g.random().chance(50) ? g.add("Mul", {centred, centred})
                                               : g.add("Pow", {centred, g.scalar(DType::kF32, 2)});
  ir::Value* variance = g.add("ReduceMean", {squares, axes});
  ir::Value* shifted = g.add("Add", {variance, g.scalar(DType::kF32, 1e-3)});
  ir::Value* root = g.add("Sqrt", {shifted});
  ir::Value* y = root == nullptr ? nullptr : g.add("Div", {centred, root});
  if (y != nullptr && g.random().chance(60))
    y = g.add("Mul", {y, g.fresh(DType::kF32, {x->type().shape->back()})});
  if (y != nullptr && g.random().chance(60))
    y = g.add("Add", {y, g.fresh(DType::kF32, {x->type().shape->back()})});
  return y != nullptr;
}

constexpr WeightedMaker kMakers[] = {
    {7, make_reduce}, {2, make_arg}, {3, make_softmax}, {3, make_norm}, {3, make_spelled_norm},
};

}  // namespace

std::span<const WeightedMaker> reduction_makers() { return kMakers; }

}  // namespace planish::dev
