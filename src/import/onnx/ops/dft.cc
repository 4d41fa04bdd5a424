// SPDX-License-Identifier: Apache-2.0
// DFT: the axis was an attribute (default 1) before opset 20.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_dft(NodeContext& c) {
  if (c.opset() >= 20) {
    c.finish();
    return;
  }
  Attributes attributes = c.attributes();
  ir::Value* axis = c.constant_i64(attributes.integer("axis", 1), "axis");
  attributes.erase("axis");
  c.finish("DFT", {c.required(0), c.input(1), axis}, std::move(attributes));
}

const RegisterImporter kDft("DFT", import_dft);

}  // namespace
}  // namespace planish::onnx
