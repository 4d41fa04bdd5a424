// SPDX-License-Identifier: Apache-2.0
// Gemm: before opset 7 an attribute allowed what is always allowed now, the broadcast of C.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_gemm(NodeContext& c) {
  if (c.opset() < 7) c.attributes().erase("broadcast");
  c.finish();
}

const RegisterImporter kGemm("Gemm", import_gemm);

}  // namespace
}  // namespace planish::onnx
