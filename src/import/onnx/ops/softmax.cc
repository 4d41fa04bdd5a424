// SPDX-License-Identifier: Apache-2.0
// Softmax, LogSoftmax and Hardmax: before opset 13 the axes from `axis` on (default 1) were
// flattened into one; since then `axis` (default -1) is the only one.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_softmax(NodeContext& c) {
  if (c.opset() >= 13) {
    c.finish();
    return;
  }
  const int64_t axis = c.attributes().integer("axis", 1);
  ir::Value* x = c.required(0);
  const auto rank = c.rank(x);
  if (rank && (axis == *rank - 1 || axis == -1)) {
    c.finish(c.op(), {x}, {{"axis", int64_t{-1}}});
    return;
  }
  ir::Value* flat = c.emit("Flatten", {x}, {{"axis", axis}});
  ir::Value* y = c.emit(c.op(), {flat}, {{"axis", int64_t{-1}}});
  c.set_output(0, c.emit("Reshape", {y, c.emit("Shape", {x})}));
}

const RegisterImporter kSoftmax("Softmax", import_softmax);
const RegisterImporter kLogSoftmax("LogSoftmax", import_softmax);
const RegisterImporter kHardmax("Hardmax", import_softmax);

}  // namespace
}  // namespace planish::onnx
