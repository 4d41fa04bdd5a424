// SPDX-License-Identifier: Apache-2.0
// Random branches and loops.
#include "random_generator.h"

namespace planish::dev {
namespace {

// A value of the given type made inside `inner` from x; x itself if nothing better came.
ir::Value* like(GraphMaker& inner, ir::Value* x) {
  ir::Value* found = nullptr;
  for (ir::Value* v : inner.values())
    if (v->graph() == &inner.graph() && !v->is_constant() && v->producer() != nullptr &&
        v->type() == x->type())
      found = v;
  return found != nullptr ? found : inner.add("Identity", {x});
}

bool fill_branch(GraphMaker& outer, ir::Node& node, const char* name, ir::Value* x) {
  ir::Graph* body = node.add_subgraph(name);
  GraphMaker inner(*body, outer.random(), outer.sizes(), outer.values());
  inner.grow(static_cast<int>(outer.random().between(0, 3)));
  ir::Value* result = like(inner, x);
  if (result == nullptr) return false;
  body->add_output(result, "r");
  return true;
}

bool make_if(GraphMaker& g) {
  ir::Value* x = g.pick([](const Type& type) { return type.dtype == DType::kF32; });
  // Inside a loop or branch the graphs would grow too fast.
  if (x == nullptr || g.graph().owner() != nullptr) return false;
  ir::Value* condition =
      g.random().chance(30) ? g.scalar(DType::kBool, 1) : g.fresh(DType::kBool, {});
  const auto fill = [&](ir::Node& node) {
    return fill_branch(g, node, "then_branch", x) && fill_branch(g, node, "else_branch", x);
  };
  return g.add_control("If", {condition}, 1, fill) != nullptr;
}

bool make_loop(GraphMaker& g) {
  ir::Value* x = g.pick([](const Type& type) { return type.dtype == DType::kF32; });
  if (x == nullptr || g.graph().owner() != nullptr) return false;
  ir::Value* count =
      g.random().chance(50)
          ? g.constant(Tensor::scalar_i64(g.random().between(1, 4)))
          : g.add("Max", {g.fresh(DType::kI64, {}), g.constant(Tensor::scalar_i64(1))});
  // A loop of no iterations does not know the sizes of what it gathers.
  if (count == nullptr) return false;
  ir::Value* go_on = g.random().chance(70) ? g.scalar(DType::kBool, 1) : nullptr;
  const auto fill = [&](ir::Node& node) {
    ir::Graph* body = node.add_subgraph("body");
    ir::Value* number = body->add_input("i", Type::tensor(DType::kI64, {}));
    ir::Value* again = body->add_input("go_on", Type::tensor(DType::kBool, {}));
    ir::Value* carried = body->add_input("v", x->type());
    std::vector<ir::Value*> around = g.values();
    around.insert(around.end(), {number, carried, carried});
    GraphMaker inner(*body, g.random(), g.sizes(), around);
    inner.grow(static_cast<int>(g.random().between(1, 3)));
    ir::Value* next = like(inner, carried);
    if (next == nullptr) return false;
    body->add_output(again, "go_on");
    body->add_output(next, "v");
    body->add_output(next, "s");
    return true;
  };
  return g.add_control("Loop", {count, go_on, x}, 2, fill) != nullptr;
}

constexpr WeightedMaker kMakers[] = {{3, make_if}, {3, make_loop}};

}  // namespace

std::span<const WeightedMaker> control_makers() { return kMakers; }

}  // namespace planish::dev
