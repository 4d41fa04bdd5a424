// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "passes/canonicalize/algebra.h"
#include "passes/rewrite.h"
#include "tensor/elements.h"

namespace planish::passes {
namespace {

bool same_constant(const ir::Value* a, const ir::Value* b) {
  if (a == b) return true;
  return a != nullptr && b != nullptr && a->is_constant() && b->is_constant() &&
         equal(Attribute(a->constant()), Attribute(b->constant()));
}

// One scale of float32 for the whole tensor, far from both ends of the format.
bool is_plain_scale(const ir::Value* scale) {
  double v = 0;
  return scale != nullptr && scale->type().dtype == DType::kF32 && scale->is_constant() &&
         scale->constant().count() == 1 && splat_value(scale, &v) && v > 1e-30 && v < 1e30;
}

// Ops that copy elements of input 0 and look at none.
bool only_moves(const std::string& op) {
  for (const char* name : {"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice",
                           "Gather", "Expand", "Tile", "DepthToSpace", "SpaceToDepth", "Identity"})
    if (op == name) return true;
  return false;
}

// QuantizeLinear(move(DequantizeLinear(q, s, z)), s, z) = move(q): q of at most 16 bits comes back
// from float32 as it was
bool quantize_of_moved(ir::Node& node, Patch& patch) {
  std::vector<const ir::Node*> moves;
  const ir::Value* v = node.input(0);
  constexpr size_t kMostMoves = 8;
  while (v->producer() != nullptr && only_moves(v->producer()->op()) && moves.size() < kMostMoves) {
    if (v->graph() != node.graph() || !has_one_use(v)) return false;
    moves.push_back(v->producer());
    v = v->producer()->input(0);
  }
  const ir::Node* back = producer_any_users(v, "DequantizeLinear");
  if (back == nullptr) return false;
  ir::Value* q = back->input(0);
  if (q->type().dtype != node.output()->type().dtype || dtype_bits(q->type().dtype) > 16 ||
      !is_integer(q->type().dtype))
    return false;
  if (!is_plain_scale(node.input(1)) || !same_constant(node.input(1), back->input(1))) return false;
  if (!same_constant(node.input(2), back->input(2))) return false;
  if (back->attributes().integer("block_size", 0) != 0 ||
      node.attributes().integer("block_size", 0) != 0)
    return false;
  if (v->type().dtype != DType::kF32) return false;
  for (size_t i = moves.size(); i-- > 0;) {
    std::vector<ir::Value*> inputs = moves[i]->inputs();
    inputs[0] = q;
    q = patch.add(moves[i]->op(), inputs, moves[i]->attributes());
  }
  patch.replace(node.output(), q);
  return true;
}

constexpr Rule kRules[] = {{"quantize-of-moved", "QuantizeLinear", quantize_of_moved}};

}  // namespace

bool move_quantized(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRules, context);
}

}  // namespace planish::passes
