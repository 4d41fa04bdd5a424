// SPDX-License-Identifier: Apache-2.0
// FusedMatMul and its older name TransposeMatMul: MatMul with transposed operands and a factor.
#include <numeric>

#include "import/onnx/ops/microsoft/blocks.h"

namespace planish::onnx::microsoft_fused_mat_mul {
namespace {

// With the last two axes exchanged, or the batch axes put between them.
ir::Value* turn(NodeContext& c, ir::Value* x, bool matrix, bool batch) {
  if (!matrix && !batch) return x;
  const auto rank = c.rank(x);
  if (!rank) c.unsupported("a transposed operand must have a known rank");
  if (*rank < 2) return x;
  std::vector<int64_t> perm(static_cast<size_t>(*rank));
  std::iota(perm.begin(), perm.end(), 0);
  // Stored as [rows, batch..., columns].
  if (batch) std::rotate(perm.begin(), perm.begin() + 1, perm.end() - 1);
  if (matrix) std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return transpose(c, x, perm);
}

void import_fused_mat_mul(NodeContext& c) {
  const Attributes& a = c.attributes();
  ir::Value* lhs =
      turn(c, c.required(0), a.integer("transA", 0) != 0, a.integer("transBatchA", 0) != 0);
  ir::Value* rhs =
      turn(c, c.required(1), a.integer("transB", 0) != 0, a.integer("transBatchB", 0) != 0);
  ir::Value* y = c.emit("MatMul", {lhs, rhs});
  const double alpha = a.real("alpha", 1);
  c.set_output(0, alpha == 1 ? y : c.emit("Mul", {y, c.constant_like(alpha, lhs, "alpha")}));
}

const RegisterImporter kFusedMatMul("FusedMatMul", import_fused_mat_mul, kMicrosoft);
const RegisterImporter kTransposeMatMul("TransposeMatMul", import_fused_mat_mul, kMicrosoft);

}  // namespace
}  // namespace planish::onnx::microsoft_fused_mat_mul
