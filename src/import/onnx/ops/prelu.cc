// SPDX-License-Identifier: Apache-2.0
// PRelu: before opset 7 a slope of one axis belonged to axis 1 of the input.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

ir::Value* per_channel(NodeContext& c, ir::Value* x, ir::Value* slope) {
  const auto rank = c.rank(x), slope_rank = c.rank(slope);
  if (!rank || !slope_rank)
    c.unsupported("before opset 7, the ranks of input and slope must be known");
  if (*slope_rank != 1 || *rank < 3) return slope;
  std::vector<int64_t> axes;
  for (int64_t i = 1; i <= *rank - 2; ++i) axes.push_back(i);
  return c.emit("Unsqueeze", {slope, c.constant_i64s(axes, "axes")});
}

void import_prelu(NodeContext& c) {
  if (c.opset() >= 7)
    c.finish();
  else
    c.finish("PRelu", {c.required(0), per_channel(c, c.required(0), c.required(1))}, {});
}

const RegisterImporter kPRelu("PRelu", import_prelu);

}  // namespace
}  // namespace planish::onnx
