// SPDX-License-Identifier: Apache-2.0
// Random products, convolutions, poolings, recurrent layers.
#include "random_generator.h"

namespace planish::dev {
namespace {

int64_t rank_of(const ir::Value* v) { return static_cast<int64_t>(v->type().shape->size()); }
const Dim& dim_of(const ir::Value* v, int64_t i) {
  return (*v->type().shape)[static_cast<size_t>(i < 0 ? i + rank_of(v) : i)];
}

bool make_mat_mul(GraphMaker& g) {
  ir::Value* x = g.pick_float(1, 4);
  if (x == nullptr) return false;
  const int64_t columns = g.random().between(1, 20);
  Shape shape = {dim_of(x, -1), columns};
  if (rank_of(x) > 2 && g.random().chance(25)) {
    shape.insert(shape.begin(), dim_of(x, rank_of(x) - 3));
  }
  ir::Value* y = g.add("MatMul", {x, g.fresh(x->type().dtype, shape)});
  if (y != nullptr && g.random().chance(60))
    y = g.add("Add", {y, g.fresh(x->type().dtype, {columns})});
  if (y != nullptr && g.random().chance(50)) y = g.add("Relu", {y});
  return y != nullptr;
}

bool make_gemm(GraphMaker& g) {
  ir::Value* x = g.pick_float(2, 2);
  if (x == nullptr) return false;
  const bool turn_x = g.random().chance(30), turn_w = g.random().chance(50);
  const Dim inner = dim_of(x, turn_x ? 0 : 1);
  const int64_t columns = g.random().between(1, 20);
  const Shape shape = turn_w ? Shape{columns, inner} : Shape{inner, columns};
  std::vector<ir::Value*> inputs = {x, g.fresh(x->type().dtype, shape)};
  if (g.random().chance(70)) inputs.push_back(g.fresh(x->type().dtype, {columns}));
  return g.add("Gemm", inputs,
               {{"transA", int64_t{turn_x}},
                {"transB", int64_t{turn_w}},
                {"alpha", g.random().chance(70) ? 1.0 : 0.5},
                {"beta", g.random().chance(70) ? 1.0 : 2.0}}) != nullptr;
}

Attributes window(GraphMaker& g, size_t axes, bool dilates) {
  Attributes attributes;
  std::vector<int64_t> strides, dilations, pads;
  for (size_t i = 0; i < axes; ++i) {
    strides.push_back(g.random().chance(70) ? 1 : g.random().between(1, 3));
    dilations.push_back(g.random().chance(80) ? 1 : 2);
  }
  for (size_t i = 0; i < 2 * axes; ++i) pads.push_back(g.random().between(0, 1));
  attributes.set("strides", strides);
  if (dilates) attributes.set("dilations", dilations);
  if (g.random().chance(15))
    attributes.set("auto_pad", std::string(g.random().chance(50) ? "SAME_UPPER" : "SAME_LOWER"));
  else
    attributes.set("pads", pads);
  return attributes;
}

// With what often follows: BatchNormalization, a scale, an activation.
bool finish_conv(GraphMaker& g, ir::Value* y, int64_t channels) {
  if (y == nullptr) return false;
  const DType type = y->type().dtype;
  const auto vector = [&] { return g.constant(random_tensor(g.random(), type, {channels})); };
  if (g.random().chance(30) && type == DType::kF32) {
    Tensor variance(type, {channels});
    for (int64_t i = 0; i < channels; ++i)
      variance.as<float>()[i] = 0.5F + static_cast<float>(i % 3);
    y = g.add("BatchNormalization", {y, vector(), vector(), vector(), g.constant(variance)});
  }
  if (y != nullptr && g.random().chance(20)) y = g.add("Mul", {y, g.scalar(type, 0.5)});
  if (y != nullptr && g.random().chance(40)) y = g.add("Relu", {y});
  return y != nullptr;
}

bool make_conv(GraphMaker& g) {
  ir::Value* x = g.pick_float(3, 5);
  if (x == nullptr || !dim_of(x, 1).is_constant() || dim_of(x, 1).value() == 0) return false;
  const int64_t in = dim_of(x, 1).value();
  const auto axes = static_cast<size_t>(rank_of(x) - 2);
  int64_t group = 1;
  if (g.random().chance(30)) group = g.random().chance(50) || in % 2 != 0 ? in : 2;
  const int64_t out = group * g.random().between(1, group > 1 ? 2 : 12);
  Shape shape = {out, in / group};
  for (size_t i = 0; i < axes; ++i) shape.push_back(g.random().between(1, 3));
  Attributes attributes = window(g, axes, true);
  attributes.set("group", group);
  std::vector<ir::Value*> inputs = {x, g.fresh(x->type().dtype, shape)};
  if (g.random().chance(60)) inputs.push_back(g.fresh(x->type().dtype, {out}));
  return finish_conv(g, g.add("Conv", inputs, attributes), out);
}

bool make_conv_transpose(GraphMaker& g) {
  ir::Value* x = g.pick_float(3, 4);
  if (x == nullptr || !dim_of(x, 1).is_constant() || dim_of(x, 1).value() == 0) return false;
  const int64_t in = dim_of(x, 1).value(), out = g.random().between(1, 6);
  const auto axes = static_cast<size_t>(rank_of(x) - 2);
  Shape shape = {in, out};
  for (size_t i = 0; i < axes; ++i) shape.push_back(g.random().between(1, 4));
  std::vector<ir::Value*> inputs = {x, g.fresh(x->type().dtype, shape)};
  if (g.random().chance(60)) inputs.push_back(g.fresh(x->type().dtype, {out}));
  return finish_conv(g, g.add("ConvTranspose", inputs, window(g, axes, true)), out);
}

bool make_pool(GraphMaker& g) {
  ir::Value* x = g.pick_float(3, 5);
  if (x == nullptr) return false;
  if (g.random().chance(20))
    return g.add(g.random().chance(50) ? "GlobalAveragePool" : "GlobalMaxPool", {x}) != nullptr;
  const auto axes = static_cast<size_t>(rank_of(x) - 2);
  const bool is_max = g.random().chance(50);
  Attributes attributes = window(g, axes, g.random().chance(30));
  std::vector<int64_t> kernel;
  for (size_t i = 0; i < axes; ++i) kernel.push_back(g.random().between(2, 3));
  attributes.set("kernel_shape", kernel);
  attributes.set("ceil_mode", g.random().below(2));
  if (!is_max) attributes.set("count_include_pad", g.random().below(2));
  return g.add(is_max ? "MaxPool" : "AveragePool", {x}, attributes) != nullptr;
}

bool make_attention(GraphMaker& g) {
  const int64_t heads = g.random().between(1, 3),
                size = g.random().of(std::vector<int64_t>{4, 8, 16});
  const Dim batch = g.random().chance(50) ? Dim::symbol("n") : Dim(2),
            length = g.random().chance(50) ? Dim::symbol("m") : Dim(5);
  const Shape shape = {batch, heads, length, size};
  ir::Value *q = g.fresh(DType::kF32, shape), *k = g.fresh(DType::kF32, shape),
            *v = g.fresh(DType::kF32, shape);
  if (g.random().chance(40))
    return g.add("Attention", {q, k, v}, {{"is_causal", g.random().below(2)}}) != nullptr;
  ir::Value* kt = g.add("Transpose", {k}, {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
  ir::Value* s = kt == nullptr ? nullptr : g.add("MatMul", {q, kt});
  s = g.add("Mul", {s, g.scalar(DType::kF32, 0.35)});
  if (g.random().chance(50)) s = g.add("Add", {s, g.fresh(DType::kF32, {batch, 1, 1, length})});
  ir::Value* p = g.add("Softmax", {s}, {{"axis", int64_t{-1}}});
  return g.add("MatMul", {p, v}) != nullptr;
}

bool make_recurrent(GraphMaker& g) {
  static const std::vector<std::pair<std::string, int64_t>> kKinds = {
      {"LSTM", 4}, {"GRU", 3}, {"RNN", 1}};
  ir::Value* x = g.pick([](const Type& type) {
    return type.dtype == DType::kF32 && type.shape->size() == 3 && type.shape->back().is_constant();
  });
  if (x == nullptr) return false;
  const auto& [op, gates] = g.random().of(kKinds);
  const int64_t hidden = g.random().between(1, 9), in = dim_of(x, 2).value();
  const int64_t directions = g.random().chance(30) ? 2 : 1;
  Attributes attributes{{"hidden_size", hidden}};
  if (directions == 2) attributes.set("direction", std::string("bidirectional"));
  if (op == "GRU") attributes.set("linear_before_reset", g.random().below(2));
  std::vector<ir::Value*> inputs = {x, g.fresh(DType::kF32, {directions, gates * hidden, in}),
                                    g.fresh(DType::kF32, {directions, gates * hidden, hidden})};
  if (g.random().chance(70))
    inputs.push_back(g.fresh(DType::kF32, {directions, 2 * gates * hidden}));
  return !g.add_many(op, inputs, op == "LSTM" ? 3 : 2, attributes).empty();
}

bool make_einsum(GraphMaker& g) {
  ir::Value* x = g.pick_float(2, 2);
  if (x == nullptr) return false;
  static const std::vector<std::string> kEquations = {"ij,jk->ik", "ij,jk->ki", "ij,jk->i",
                                                      "ij,kj->ik"};
  const std::string& equation = g.random().of(kEquations);
  const int64_t other = g.random().between(1, 6);
  const Shape shape =
      equation == "ij,kj->ik" ? Shape{other, dim_of(x, 1)} : Shape{dim_of(x, 1), other};
  return g.add("Einsum", {x, g.fresh(x->type().dtype, shape)}, {{"equation", equation}}) != nullptr;
}

constexpr WeightedMaker kMakers[] = {
    {8, make_mat_mul}, {3, make_gemm},      {9, make_conv},      {3, make_conv_transpose},
    {5, make_pool},    {3, make_attention}, {2, make_recurrent}, {1, make_einsum},
};

}  // namespace

std::span<const WeightedMaker> product_makers() { return kMakers; }

}  // namespace planish::dev
