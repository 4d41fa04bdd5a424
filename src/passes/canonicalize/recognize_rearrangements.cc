// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "passes/canonicalize/recognize.h"
#include "passes/rewrite.h"

namespace planish::passes {
namespace {

using Perm = std::vector<int64_t>;

// Reshape to rank 6, Transpose, Reshape to rank 4, from an x of rank 4; the Transpose, or null.
struct Blocks {
  ir::Value* x = nullptr;
  const Shape* parts = nullptr;  // rank 6, before the Transpose
  Perm perm;
};

Blocks blocks_below(const ir::Node& node) {
  const ir::Node* turn = producer(node.input(0), "Transpose");
  const ir::Node* split = turn != nullptr ? producer(turn->input(0), "Reshape") : nullptr;
  if (split == nullptr || !node.output()->type().has_rank()) return {};
  ir::Value* x = split->input(0);
  const Type& parts = split->output()->type();
  if (!x->type().has_rank() || !parts.has_rank() || x->type().shape->size() != 4 ||
      parts.shape->size() != 6 || node.output()->type().shape->size() != 4 ||
      !turn->attributes().has("perm"))
    return {};
  return {x, &*parts.shape, turn->attributes().integers("perm")};
}

// Reshape(Transpose(Reshape(x, [n, c, b, b, h, w]), ..), [n, c, h b, w b]) = DepthToSpace(x, b),
// with the blocks before the channels (DCR) or after them (CRD)
bool depth_to_space(ir::Node& node, Patch& patch) {
  const Blocks blocks = blocks_below(node);
  if (blocks.x == nullptr) return false;
  const bool block_first = blocks.perm == Perm{0, 3, 4, 1, 5, 2};
  if (!block_first && blocks.perm != Perm{0, 1, 4, 2, 5, 3}) return false;
  const Shape& in = *blocks.x->type().shape;
  const Shape& parts = *blocks.parts;
  const Shape& out = *node.output()->type().shape;
  const Dim &block = parts[block_first ? 1 : 2], &channels = parts[block_first ? 3 : 1];
  if (!block.is_constant() || block.value() < 1 || !(parts[block_first ? 2 : 3] == block))
    return false;
  if (!(parts[0] == in[0]) || !(parts[4] == in[2]) || !(parts[5] == in[3])) return false;
  if (!(channels * block * block == in[1])) return false;
  if (!(out == Shape{in[0], channels, in[2] * block, in[3] * block})) return false;
  patch.replace(node.output(), patch.add("DepthToSpace", {blocks.x},
                                         {{"blocksize", block.value()},
                                          {"mode", std::string(block_first ? "DCR" : "CRD")}}));
  return true;
}

// Reshape(Transpose(Reshape(x, [n, c, h, b, w, b]), [0, 3, 5, 1, 2, 4]), [n, b b c, h, w]) =
// SpaceToDepth(x, b)
bool space_to_depth(ir::Node& node, Patch& patch) {
  const Blocks blocks = blocks_below(node);
  if (blocks.x == nullptr || blocks.perm != Perm{0, 3, 5, 1, 2, 4}) return false;
  const Shape& in = *blocks.x->type().shape;
  const Shape& parts = *blocks.parts;
  const Shape& out = *node.output()->type().shape;
  const Dim& block = parts[3];
  if (!block.is_constant() || block.value() < 1 || !(parts[5] == block)) return false;
  if (!(parts[0] == in[0]) || !(parts[1] == in[1])) return false;
  if (!(parts[2] * block == in[2]) || !(parts[4] * block == in[3])) return false;
  if (!(out == Shape{in[0], in[1] * block * block, parts[2], parts[4]})) return false;
  patch.replace(node.output(),
                patch.add("SpaceToDepth", {blocks.x}, {{"blocksize", block.value()}}));
  return true;
}

constexpr Rule kRules[] = {
    {"depth-to-space", "Reshape", depth_to_space},
    {"space-to-depth", "Reshape", space_to_depth},
};

}  // namespace

bool recognize_rearrangements(ir::Graph& graph, PassContext& context) {
  return apply_rules(graph, kRules, context);
}

}  // namespace planish::passes
