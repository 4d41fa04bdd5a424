// SPDX-License-Identifier: Apache-2.0
// Squeeze and Unsqueeze: axes became an input in opset 13.
#include "import/onnx/op_importer.h"
#include "import/onnx/ops/axes_input.h"

namespace planish::onnx {
namespace {

void import_squeeze(NodeContext& c) {
  if (c.opset() < 13)
    finish_with_axes_input(c);
  else
    c.finish();
}

const RegisterImporter kSqueeze("Squeeze", import_squeeze);
const RegisterImporter kUnsqueeze("Unsqueeze", import_squeeze);

}  // namespace
}  // namespace planish::onnx
