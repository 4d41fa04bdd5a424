// SPDX-License-Identifier: Apache-2.0
// Pad: pads and value were attributes before opset 11 (pads was called paddings in opset 1).
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_pad(NodeContext& c) {
  if (c.opset() >= 11) {
    c.finish();
    return;
  }
  const Attributes& a = c.attributes();
  const auto& pads = a.integers(c.opset() == 1 && a.has("paddings") ? "paddings" : "pads");
  const double value = a.real("value", 0);
  ir::Value* fill = value == 0 ? nullptr : c.constant_like(value, c.required(0), "value");
  c.finish("Pad", {c.required(0), c.constant_i64s(pads, "pads"), fill},
           {{"mode", a.text("mode", "constant")}});
}

const RegisterImporter kPad("Pad", import_pad);

}  // namespace
}  // namespace planish::onnx
