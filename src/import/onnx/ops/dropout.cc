// SPDX-License-Identifier: Apache-2.0
// Dropout: ratio became an input in opset 12; before, a node was in test mode unless opset 6 and
// older said otherwise, and nobody trains in an engine.
#include "import/onnx/op_importer.h"
#include "tensor/elements.h"

namespace planish::onnx {
namespace {

bool may_train(NodeContext& c) {
  if (c.opset() < 12 || c.input(2) == nullptr) return false;
  const Tensor* mode = NodeContext::constant(c.input(2));
  return mode == nullptr || mode->count() != 1 || element<uint8_t>(*mode, 0) != 0;
}

void import_dropout(NodeContext& c) {
  if (may_train(c)) {
    c.finish();
    return;
  }
  if (c.wants(1) && c.opset() >= 10) {
    c.finish("Dropout", {c.required(0)}, {});
    return;
  }
  c.set_output(0, c.required(0));
  c.drop_output(1, "before opset 10 the mask of Dropout is defined in training only");
}

const RegisterImporter kDropout("Dropout", import_dropout);

}  // namespace
}  // namespace planish::onnx
