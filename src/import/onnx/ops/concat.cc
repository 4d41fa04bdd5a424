// SPDX-License-Identifier: Apache-2.0
// Concat: the axis had a default (1) before opset 4.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_concat(NodeContext& c) {
  if (c.opset() < 4 && !c.attributes().has("axis")) c.attributes().set("axis", int64_t{1});
  c.finish();
}

const RegisterImporter kConcat("Concat", import_concat);

}  // namespace
}  // namespace planish::onnx
