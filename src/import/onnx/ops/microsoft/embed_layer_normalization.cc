// SPDX-License-Identifier: Apache-2.0
// EmbedLayerNormalization: the sum of word, position and segment embeddings, normalised.
#include "import/onnx/ops/microsoft/blocks.h"

namespace planish::onnx::microsoft_embed_layer_normalization {
namespace {

enum Input {
  kIds,
  kSegments,
  kWordTable,
  kPositionTable,
  kSegmentTable,
  kGamma,
  kBeta,
  kMask,
  kPositions
};

// How many tokens of each sample count, as int32[batch].
ir::Value* count_tokens(NodeContext& c) {
  if (c.input(kMask) == nullptr) {
    ir::Value* batch = size_of(c, c.required(kIds), 0);
    return c.emit("Expand", {c.constant_scalar(0, DType::kI32, "none"), batch});
  }
  return c.emit("ReduceSum", {c.input(kMask), c.constant_i64s({1}, "axes")},
                {{"keepdims", int64_t{0}}});
}

void import_embed(NodeContext& c) {
  auto gather = [&](int table, ir::Value* indices) {
    return c.emit("Gather", {c.required(table), indices}, {{"axis", int64_t{0}}});
  };
  ir::Value* places = c.input(kPositions);
  if (places == nullptr) places = positions(c, size_of(c, c.required(kIds), 1));
  ir::Value* sum =
      c.emit("Add", {gather(kWordTable, c.required(kIds)), gather(kPositionTable, places)});
  if (c.input(kSegmentTable) != nullptr)
    sum = c.emit("Add", {sum, gather(kSegmentTable, c.required(kSegments))});
  c.set_output(
      0, c.emit("LayerNormalization", {sum, c.required(kGamma), c.required(kBeta)},
                {{"axis", int64_t{-1}}, {"epsilon", c.attributes().real("epsilon", 1e-12f)}}));
  if (c.wants(1)) c.set_output(1, count_tokens(c));
  c.set_output(2, sum);
}

const RegisterImporter kEmbed("EmbedLayerNormalization", import_embed, kMicrosoft);

}  // namespace
}  // namespace planish::onnx::microsoft_embed_layer_normalization
