// SPDX-License-Identifier: Apache-2.0
// GroupNormalization: in opset 18 scale and bias had one element a group, since 21 one a channel.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

// [g] -> [channels]: each element repeated channels / groups times.
ir::Value* spread(NodeContext& c, ir::Value* per_group, ir::Value* repeats) {
  ir::Value* column = c.emit("Unsqueeze", {per_group, c.constant_i64s({1}, "axes")});
  return c.emit("Reshape", {c.emit("Expand", {column, repeats}), c.constant_i64s({-1}, "flat")});
}

void import_group_normalization(NodeContext& c) {
  if (c.opset() >= 21) {
    c.finish();
    return;
  }
  const int64_t groups = c.attributes().integer("num_groups");
  c.require(groups > 0, "num_groups must be positive");
  ir::Value* count = c.constant_i64s({groups}, "groups");
  ir::Value* channels =
      c.emit("Shape", {c.required(0)}, {{"start", int64_t{1}}, {"end", int64_t{2}}});
  ir::Value* repeats =
      c.emit("Concat", {count, c.emit("Div", {channels, count})}, {{"axis", int64_t{0}}});
  c.finish("GroupNormalization",
           {c.required(0), spread(c, c.required(1), repeats), spread(c, c.required(2), repeats)},
           c.attributes());
}

const RegisterImporter kGroupNormalization("GroupNormalization", import_group_normalization);

}  // namespace
}  // namespace planish::onnx
