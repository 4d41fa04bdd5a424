// SPDX-License-Identifier: Apache-2.0
// The reductions: axes became an input in opset 18, of ReduceSum in 13.
#include "import/onnx/op_importer.h"
#include "import/onnx/ops/axes_input.h"

namespace planish::onnx {
namespace {

void import_reduce(NodeContext& c) {
  if (c.opset() >= (c.op() == "ReduceSum" ? 13 : 18)) {
    c.finish();
    return;
  }
  finish_with_axes_input(c);
}

const RegisterImporter kReduceL1("ReduceL1", import_reduce);
const RegisterImporter kReduceL2("ReduceL2", import_reduce);
const RegisterImporter kReduceLogSum("ReduceLogSum", import_reduce);
const RegisterImporter kReduceLogSumExp("ReduceLogSumExp", import_reduce);
const RegisterImporter kReduceMax("ReduceMax", import_reduce);
const RegisterImporter kReduceMean("ReduceMean", import_reduce);
const RegisterImporter kReduceMin("ReduceMin", import_reduce);
const RegisterImporter kReduceProd("ReduceProd", import_reduce);
const RegisterImporter kReduceSum("ReduceSum", import_reduce);
const RegisterImporter kReduceSumSquare("ReduceSumSquare", import_reduce);

}  // namespace
}  // namespace planish::onnx
