// SPDX-License-Identifier: Apache-2.0
// The binary pointwise ops: before opset 7, B was broadcast only if asked for, and then from `axis`
// on.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

// B with ones appended, so that its first axis meets axis `axis` of A.
ir::Value* align(NodeContext& c, ir::Value* a, ir::Value* b, int64_t axis) {
  const auto rank_a = c.rank(a), rank_b = c.rank(b);
  if (!rank_a || !rank_b)
    c.unsupported("before opset 7, broadcasting along an axis needs known ranks");
  if (axis < 0) axis += *rank_a;
  const int64_t ones = *rank_a - axis - *rank_b;
  c.require(axis >= 0 && ones >= 0,
            "the second input does not fit into the first from the axis on");
  if (ones == 0) return b;
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < ones; ++i) axes.push_back(*rank_b + i);
  return c.emit("Unsqueeze", {b, c.constant_i64s(axes, "axes")});
}

void import_binary(NodeContext& c) {
  if (c.opset() >= 7) {
    c.finish();
    return;
  }
  ir::Value* b = c.required(1);
  const Attributes& a = c.attributes();
  if (a.integer("broadcast", 0) != 0 && a.has("axis"))
    b = align(c, c.required(0), b, a.integer("axis"));
  c.finish(c.op(), {c.required(0), b}, {});
}

const RegisterImporter kAdd("Add", import_binary);
const RegisterImporter kSub("Sub", import_binary);
const RegisterImporter kMul("Mul", import_binary);
const RegisterImporter kDiv("Div", import_binary);
const RegisterImporter kPow("Pow", import_binary);
const RegisterImporter kAnd("And", import_binary);
const RegisterImporter kOr("Or", import_binary);
const RegisterImporter kXor("Xor", import_binary);
const RegisterImporter kEqual("Equal", import_binary);
const RegisterImporter kGreater("Greater", import_binary);
const RegisterImporter kLess("Less", import_binary);

}  // namespace
}  // namespace planish::onnx
