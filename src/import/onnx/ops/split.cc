// SPDX-License-Identifier: Apache-2.0
// Split: the sizes were an attribute before opset 13 (and an optional input in opset 1); since
// opset 18 either the sizes or the number of parts is given.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_split(NodeContext& c) {
  if (c.opset() >= 18) {
    c.finish();
    return;
  }
  Attributes attributes;
  if (c.attributes().has("axis")) attributes.set("axis", c.attributes().integer("axis"));
  ir::Value* sizes = c.input(1);
  if (c.opset() < 13 && c.attributes().has("split"))
    sizes = c.constant_i64s(c.attributes().integers("split"), "split");
  if (sizes == nullptr) attributes.set("num_outputs", static_cast<int64_t>(c.output_count()));
  c.finish("Split", {c.required(0), sizes}, std::move(attributes));
}

const RegisterImporter kSplit("Split", import_split);

}  // namespace
}  // namespace planish::onnx
