// SPDX-License-Identifier: Apache-2.0
// Selu: the constants had fewer digits before opset 6.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_selu(NodeContext& c) {
  if (c.opset() < 6) {
    Attributes& a = c.attributes();
    a.erase("consumed_inputs");
    a.set("alpha", a.real("alpha", 1.6732f));
    a.set("gamma", a.real("gamma", 1.0507f));
  }
  c.finish();
}

const RegisterImporter kSelu("Selu", import_selu);

}  // namespace
}  // namespace planish::onnx
