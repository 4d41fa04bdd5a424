// SPDX-License-Identifier: Apache-2.0
// Clip: the bounds were attributes before opset 11.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_clip(NodeContext& c) {
  if (c.opset() >= 11) {
    c.finish();
    return;
  }
  const Attributes& a = c.attributes();
  auto bound = [&](const char* name) -> ir::Value* {
    return a.has(name) ? c.constant_like(a.real(name), c.required(0), name) : nullptr;
  };
  c.finish("Clip", {c.required(0), bound("min"), bound("max")}, {});
}

const RegisterImporter kClip("Clip", import_clip);

}  // namespace
}  // namespace planish::onnx
