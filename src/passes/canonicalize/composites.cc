// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "passes/canonicalize/algebra.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::passes {
namespace {

// Gemm(a, b, c) = MatMul(alpha * a', b') + beta * c, floats only (integers have a width to keep)
bool split_gemm(ir::Node& node, Patch& patch) {
  if (!is_float(node.input(0)->type().dtype)) return false;
  const Attributes& at = node.attributes();
  auto oriented = [&](ir::Value* v, const char* flag) {
    return at.integer(flag, 0) == 0
               ? v
               : patch.add("Transpose", {v}, {{"perm", std::vector<int64_t>{1, 0}}});
  };
  const DType type = node.input(0)->type().dtype;
  auto scaled = [&](ir::Value* v, double factor) {
    if (factor == 1) return v;
    Tensor t(type, {});
    store<double>(t, {factor});
    return patch.add("Mul", {v, patch.constant(std::move(t))});
  };
  ir::Value* a = oriented(node.input(0), "transA");
  ir::Value* b = scaled(oriented(node.input(1), "transB"), at.real("alpha", 1));
  ir::Value* y = patch.add("MatMul", {a, b});
  const double beta = at.real("beta", 1);
  if (node.input(2) != nullptr && beta != 0) y = patch.add("Add", {y, scaled(node.input(2), beta)});
  patch.replace(node.output(), y);
  return true;
}

// BatchNormalization(x) = x * s + t, s = scale / Sqrt(var + epsilon), t = bias - mean * s
bool split_batch_norm(ir::Node& node, Patch& patch) {
  if (node.attributes().integer("training_mode", 0) != 0 || !node.input(0)->type().has_rank())
    return false;
  const DType type = node.input(0)->type().dtype;
  std::vector<std::vector<double>> parts;
  for (int i = 1; i <= 4; ++i) {
    if (!node.input(i)->is_constant()) return false;
    parts.push_back(load<double>(node.input(i)->constant()));
  }
  const double epsilon = node.attributes().real("epsilon", 1e-5);
  const size_t channels = parts[0].size();
  std::vector<double> s(channels), t(channels);
  for (size_t c = 0; c < channels; ++c) {
    s[c] = parts[0][c] / std::sqrt(parts[3][c] + epsilon);
    t[c] = parts[1][c] - parts[2][c] * s[c];
  }
  const size_t rank = node.input(0)->type().shape->size();
  Dims dims = {static_cast<int64_t>(channels)};
  for (size_t i = 2; i < rank; ++i) dims.push_back(1);
  Tensor factor(type, dims), term(type, dims);
  store(factor, s);
  store(term, t);
  ir::Value* y = patch.add("Mul", {node.input(0), patch.constant(std::move(factor))});
  patch.replace(node.output(), patch.add("Add", {y, patch.constant(std::move(term))}));
  return true;
}

constexpr Rule kRules[] = {
    {"split-gemm", "Gemm", split_gemm},
    {"split-batch-norm", "BatchNormalization", split_batch_norm},
};

}  // namespace

bool split_composites(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRules, context);
}

}  // namespace planish::passes
