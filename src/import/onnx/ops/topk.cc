// SPDX-License-Identifier: Apache-2.0
// TopK: k was an attribute before opset 10.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_topk(NodeContext& c) {
  if (c.opset() >= 10) {
    c.finish();
    return;
  }
  Attributes attributes = c.attributes();
  const int64_t k = attributes.integer("k");
  attributes.erase("k");
  c.finish("TopK", {c.required(0), c.constant_i64s({k}, "k")}, std::move(attributes));
}

const RegisterImporter kTopK("TopK", import_topk);

}  // namespace
}  // namespace planish::onnx
