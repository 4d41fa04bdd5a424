// SPDX-License-Identifier: Apache-2.0
// Scan: opset 8 had a batch axis before the sequence axis (see scan8 there) and optional lengths.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_scan(NodeContext& c) {
  if (c.opset() < 9)
    c.unsupported(
        "opset 8 of Scan, which has a batch axis, is not read; export with opset 9 or newer");
  c.finish();
}

const RegisterImporter kScan("Scan", import_scan);

}  // namespace
}  // namespace planish::onnx
