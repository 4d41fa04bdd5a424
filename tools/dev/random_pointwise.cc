// SPDX-License-Identifier: Apache-2.0
// Random pointwise nodes, and activations spelled out in pieces.
#include "random_generator.h"

namespace planish::dev {
namespace {

bool is_numeric(const Type& type) { return is_float(type.dtype) || is_integer(type.dtype); }
bool is_boolean(const Type& type) { return type.dtype == DType::kBool; }
bool is_any(const Type&) { return true; }

// Of the same type and shape, of a part of the shape, or a scalar.
ir::Value* partner(GraphMaker& g, const ir::Value* a) {
  Random& random = g.random();
  const Type& type = a->type();
  if (random.chance(40)) {
    std::vector<ir::Value*> found;
    for (ir::Value* v : g.values())
      if (v->type().has_rank() && v->type().dtype == type.dtype) found.push_back(v);
    if (!found.empty()) return random.of(found);
  }
  Shape shape(type.shape->begin() + random.between(0, static_cast<int64_t>(type.shape->size())),
              type.shape->end());
  for (Dim& dim : shape)
    if (random.chance(30)) dim = 1;
  if (random.chance(15)) shape.insert(shape.begin(), random.chance(50) ? Dim(1) : Dim(2));
  return g.fresh(type.dtype, shape);
}

bool make_unary(GraphMaker& g) {
  static const std::vector<std::string> kOps = {
      "Abs",         "Neg",       "Sign", "Floor",   "Ceil",  "Round",    "Exp",
      "Erf",         "Sin",       "Cos",  "Atan",    "Tanh",  "Asinh",    "Sigmoid",
      "Relu",        "LeakyRelu", "Elu",  "Selu",    "Celu",  "Softplus", "Softsign",
      "HardSigmoid", "HardSwish", "Mish", "Gelu",    "Swish", "Shrink",   "ThresholdedRelu",
      "Reciprocal",  "Sqrt",      "Log",  "Identity"};
  ir::Value* x = g.pick([](const Type& type) { return is_float(type.dtype); });
  if (x == nullptr) return false;
  const std::string& op = g.random().of(kOps);
  Attributes attributes;
  if ((op == "LeakyRelu" || op == "Elu") && g.random().chance(50))
    attributes.set("alpha", g.random().real());
  if (op == "Gelu" && g.random().chance(50)) attributes.set("approximate", std::string("tanh"));
  if (op == "Sqrt" || op == "Log") x = g.add("Abs", {x});
  if (op == "Log" && x != nullptr) x = g.add("Add", {x, g.scalar(x->type().dtype, 0.5)});
  return g.add(op, {x}, attributes) != nullptr;
}

bool make_binary(GraphMaker& g) {
  static const std::vector<std::string> kOps = {"Add", "Add", "Mul", "Mul",   "Sub", "Div", "Max",
                                                "Min", "Pow", "Mod", "PRelu", "Sum", "Mean"};
  ir::Value* a = g.pick(is_numeric);
  if (a == nullptr) return false;
  std::string op = g.random().of(kOps);
  ir::Value* b = partner(g, a);
  const bool is_real = is_float(a->type().dtype);
  // Divisors are kept away from 0, powers small.
  if (op == "Div" && is_real) {
    b = g.add("Abs", {b});
    if (b != nullptr) b = g.add("Add", {b, g.scalar(b->type().dtype, 0.25)});
  }
  if (op == "Pow") {
    b = g.scalar(a->type().dtype, static_cast<double>(g.random().between(0, 3)));
    if (g.random().chance(30) && is_real) {
      a = g.add("Abs", {a});
      b = g.scalar(DType::kF32, 0.5);
    }
  }
  Attributes attributes;
  if (op == "Mod" && is_real) attributes.set("fmod", int64_t{1});
  if (b == nullptr) return false;
  if (g.random().chance(30) && op != "PRelu" && op != "Pow") std::swap(a, b);
  return g.add(op, {a, b}, attributes) != nullptr;
}

bool make_compare(GraphMaker& g) {
  static const std::vector<std::string> kOps = {"Less", "Greater", "LessOrEqual", "GreaterOrEqual",
                                                "Equal"};
  ir::Value* a = g.pick(is_numeric);
  if (a == nullptr) return false;
  ir::Value* t = g.add(g.random().of(kOps), {a, partner(g, a)});
  if (t != nullptr && g.random().chance(30)) t = g.add("Not", {t});
  if (t == nullptr || !g.random().chance(60)) return t != nullptr;
  return g.add("Where", {t, a, partner(g, a)}) != nullptr;
}

bool make_logical(GraphMaker& g) {
  static const std::vector<std::string> kOps = {"And", "Or", "Xor"};
  ir::Value* a = g.pick(is_boolean);
  return a != nullptr && g.add(g.random().of(kOps), {a, partner(g, a)}) != nullptr;
}

bool make_where(GraphMaker& g) {
  ir::Value* c = g.pick(is_boolean);
  if (c == nullptr) return false;
  ir::Value* a = g.fresh(DType::kF32, *c->type().shape);
  return g.add("Where", {c, a, partner(g, a)}) != nullptr;
}

bool make_clip(GraphMaker& g) {
  ir::Value* x = g.pick(is_numeric);
  if (x == nullptr) return false;
  const DType type = x->type().dtype;
  ir::Value* low = g.random().chance(70) ? g.scalar(type, 0) : nullptr;
  ir::Value* high = g.random().chance(70)
                        ? g.scalar(type, static_cast<double>(g.random().between(1, 6)))
                        : nullptr;
  return g.add("Clip", {x, low, high}) != nullptr;
}

bool make_cast(GraphMaker& g) {
  static const std::vector<DType> kTypes = {DType::kF32,  DType::kF32, DType::kF16,
                                            DType::kF64,  DType::kI64, DType::kI32,
                                            DType::kBool, DType::kI8,  DType::kBF16};
  ir::Value* x = g.pick(is_any);
  if (x == nullptr) return false;
  const DType to = g.random().of(kTypes);
  // What lies beyond an integer's range is not defined.
  if (is_float(x->type().dtype) && !is_float(to) && to != DType::kBool) {
    ir::Value* low = g.scalar(x->type().dtype, -100);
    ir::Value* high = g.scalar(x->type().dtype, 100);
    x = g.add("Clip", {x, low, high});
    if (x != nullptr) {
      ir::Value* nan = g.add("IsNaN", {x});
      x = nan == nullptr ? nullptr : g.add("Where", {nan, low, x});
    }
  }
  return g.add("Cast", {x}, {{"to", static_cast<int64_t>(to)}}) != nullptr;
}

// As exporters write them.
bool make_spelled_activation(GraphMaker& g) {
  ir::Value* x = g.pick([](const Type& type) { return type.dtype == DType::kF32; });
  if (x == nullptr) return false;
  const auto number = [&](double v) { return g.scalar(DType::kF32, v); };
  switch (g.random().below(5)) {
    case 0: {  // x * Sigmoid(x)
      ir::Value* s = g.add("Sigmoid", {x});
      return g.add("Mul", {s, x}) != nullptr;
    }
    case 1: {  // Gelu by Erf
      ir::Value* d = g.add("Div", {x, number(1.4142135381698608)});
      ir::Value* e = g.add("Erf", {d});
      ir::Value* a = g.add("Add", {e, number(1)});
      ir::Value* m = a == nullptr ? nullptr : g.add("Mul", {x, a});
      return g.add("Mul", {m, number(0.5)}) != nullptr;
    }
    case 2: {  // HardSwish
      ir::Value* a = g.add("Add", {x, number(3)});
      ir::Value* c = g.add("Clip", {a, number(0), number(6)});
      ir::Value* m = c == nullptr ? nullptr : g.add("Mul", {x, c});
      return g.add("Div", {m, number(6)}) != nullptr;
    }
    case 3: {  // Mish
      ir::Value* s = g.add("Softplus", {x});
      ir::Value* t = g.add("Tanh", {s});
      return t != nullptr && g.add("Mul", {x, t}) != nullptr;
    }
    default: {  // Relu by Max
      return g.add("Max", {x, number(0)}) != nullptr;
    }
  }
}

bool make_quantized(GraphMaker& g) {
  ir::Value* x = g.pick([](const Type& type) { return type.dtype == DType::kF32; });
  if (x == nullptr) return false;
  const DType type = g.random().chance(50) ? DType::kU8 : DType::kI8;
  ir::Value* scale = g.scalar(DType::kF32, 0.05);
  ir::Value* zero = g.scalar(type, static_cast<double>(g.random().between(0, 10)));
  ir::Value* q = g.add("QuantizeLinear", {x, scale, zero});
  if (q == nullptr || g.random().chance(20)) return q != nullptr;
  return g.add("DequantizeLinear", {q, scale, zero}) != nullptr;
}

constexpr WeightedMaker kMakers[] = {
    {14, make_unary},    {16, make_binary}, {4, make_compare}, {2, make_logical},
    {2, make_where},     {3, make_clip},    {4, make_cast},    {5, make_spelled_activation},
    {2, make_quantized},
};

}  // namespace

std::span<const WeightedMaker> pointwise_makers() { return kMakers; }

}  // namespace planish::dev
