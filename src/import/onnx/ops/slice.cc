// SPDX-License-Identifier: Apache-2.0
// Slice: starts, ends and axes were attributes before opset 10.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_slice(NodeContext& c) {
  if (c.opset() >= 10) {
    c.finish();
    return;
  }
  const Attributes& a = c.attributes();
  ir::Value* axes = a.has("axes") ? c.constant_i64s(a.integers("axes"), "axes") : nullptr;
  c.finish("Slice",
           {c.required(0), c.constant_i64s(a.integers("starts"), "starts"),
            c.constant_i64s(a.integers("ends"), "ends"), axes},
           {});
}

const RegisterImporter kSlice("Slice", import_slice);

}  // namespace
}  // namespace planish::onnx
