// SPDX-License-Identifier: Apache-2.0
// Reshape: the shape was an attribute before opset 5.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_reshape(NodeContext& c) {
  if (c.opset() >= 5)
    c.finish();
  else
    c.finish("Reshape", {c.required(0), c.constant_i64s(c.attributes().integers("shape"), "shape")},
             {});
}

const RegisterImporter kReshape("Reshape", import_reshape);

}  // namespace
}  // namespace planish::onnx
