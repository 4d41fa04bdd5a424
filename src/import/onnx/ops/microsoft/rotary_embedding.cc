// SPDX-License-Identifier: Apache-2.0
// RotaryEmbedding: the positions may be one offset for all.
#include "import/onnx/ops/microsoft/rotary.h"

namespace planish::onnx {

ir::Value* rotate(NodeContext& c, ir::Value* x, ir::Value* cos, ir::Value* sin, ir::Value* places,
                  int64_t heads, bool interleaved, int64_t rotated) {
  Attributes attributes{{"interleaved", int64_t{interleaved}}};
  if (heads != 0) attributes.set("num_heads", heads);
  if (rotated != 0) attributes.set("rotary_embedding_dim", rotated);
  return c.emit("RotaryEmbedding", {x, cos, sin, places}, std::move(attributes));
}

namespace microsoft_rotary_embedding {
namespace {

// [batch, length], from those or from one offset.
ir::Value* read_positions(NodeContext& c, ir::Value* x, int64_t length_axis) {
  const auto rank = c.rank(c.required(1));
  if (!rank) c.unsupported("the rank of position_ids must be known");
  if (*rank == 2) return c.input(1);
  ir::Value* length = size_of(c, x, length_axis);
  ir::Value* row = c.emit("Add", {positions(c, length), c.input(1)});
  return c.emit("Expand",
                {row, c.emit("Concat", {size_of(c, x, 0), length}, {{"axis", int64_t{0}}})});
}

// Heads of an input of rank 3, if the node does not say.
int64_t count_heads(NodeContext& c, ir::Value* x) {
  if (const int64_t heads = c.attributes().integer("num_heads", 0); heads != 0) return heads;
  const auto cache = c.dims(c.required(2));
  const Type& type = x->type();
  if (!cache || cache->size() != 2 || (*cache)[1] <= 0 || !type.has_rank() ||
      !type.shape->back().is_constant())
    c.unsupported("num_heads is not given and the sizes that tell it are not known");
  return type.shape->back().value() / (2 * (*cache)[1]);
}

void import_rotary_embedding(NodeContext& c) {
  refuse_unless(c, "is_packed_batching", 0);
  ir::Value* x = c.required(0);
  const auto rank = c.rank(x);
  if (!rank || *rank < 3 || *rank > 4) c.unsupported("the input must have rank 3 or 4");
  const Attributes& a = c.attributes();
  c.set_output(0,
               rotate(c, x, c.required(2), c.required(3), read_positions(c, x, *rank == 3 ? 1 : 2),
                      *rank == 3 ? count_heads(c, x) : 0, a.integer("interleaved", 0) != 0,
                      a.integer("rotary_embedding_dim", 0)));
}

const RegisterImporter kRotaryEmbedding("RotaryEmbedding", import_rotary_embedding, kMicrosoft);

}  // namespace
}  // namespace microsoft_rotary_embedding
}  // namespace planish::onnx
