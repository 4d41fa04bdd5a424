// SPDX-License-Identifier: Apache-2.0
// CumSum, CumProd and TopK: lines along one axis (kernels/scan.cuh).
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/lowering.h"
#include "backend/cuda/compile/mma_choice.h"
#include "base/str.h"
#include "passes/rewrite.h"

namespace planish::cuda {
namespace {

const char* bool_text(bool value) { return value ? "true" : "false"; }

std::string element_lines(const ir::Value* x) {
  return concat("  using Element = ", element_text(x),
                ";\n  using Number = ", number_name(x->type().dtype), ";\n");
}

bool is_numeric(const ir::Value* v) {
  return is_movable(v) && !number_name(v->type().dtype).empty();
}

std::optional<ref::StepChoice> lower_cumulative(const ir::Node& node, Lowering& lowering) {
  const ir::Value* x = node.input(0);
  const auto axes = passes::constant_integers(node.input(1));
  if (!is_numeric(x) || !axes || axes->size() != 1) return std::nullopt;
  const Shape& shape = shape_of(x);
  const size_t axis = normal_axis((*axes)[0], shape.size());
  const Dim outer = product(shape, 0, axis), inner = product(shape, axis + 1, shape.size());
  // A warp a line where lines are contiguous and long enough.
  const bool by_warps = inner == Dim(1) && typical(shape[axis]) >= 32;
  const Attributes& a = node.attributes();
  constexpr int kThreads = 128;
  StepBuilder step(lowering);
  Launch launch(kernel_source(
      "scan.cuh",
      concat(element_lines(x),
             "  using Join = planish::", node.op() == "CumSum" ? "FoldSum" : "FoldProduct",
             ";\n  static constexpr bool kExclusive = ", bool_text(a.integer("exclusive", 0) != 0),
             ", kReverse = ", bool_text(a.integer("reverse", 0) != 0),
             ", kWarp = ", bool_text(by_warps), ";\n"),
      kThreads, "ScanParams", "scan"));
  launch.in(step.input(x)).out(0).i64(0);
  launch.i64_dim(step.dim(outer)).i64_dim(step.dim(shape[axis])).i64_dim(step.dim(inner)).i64(0);
  const Dim lines = outer * inner;
  launch.grid(step.dim(lines.ceil_div(by_warps ? kThreads / 32 : kThreads)));
  launch.threads(kThreads).overlaps();
  step.add(std::move(launch));
  return step.finish(by_warps ? "a warp a line" : "a thread a line");
}

std::optional<ref::StepChoice> lower_top_k(const ir::Node& node, Lowering& lowering) {
  const ir::Value* x = node.input(0);
  const auto k = passes::constant_integers(node.input(1));
  if (!is_numeric(x) || !k || k->size() != 1) return std::nullopt;
  const Shape& shape = shape_of(x);
  const size_t axis = normal_axis(node.attributes().integer("axis", -1), shape.size());
  // Only the portable kernel tells that there are too few elements.
  if ((*k)[0] < 0 || shape[axis].range().min < (*k)[0]) return std::nullopt;
  const Dim outer = product(shape, 0, axis), inner = product(shape, axis + 1, shape.size());
  const int warps = typical(shape[axis]) >= 1024 ? 8 : typical(shape[axis]) >= 256 ? 4 : 1;
  StepBuilder step(lowering);
  Launch launch(kernel_source("scan.cuh",
                              concat(element_lines(x), "  static constexpr bool kLargest = ",
                                     bool_text(node.attributes().integer("largest", 1) != 0),
                                     ";\n  static constexpr int kWarps = ", warps, ";\n"),
                              32 * warps, "ScanParams", "top_k"));
  launch.in(step.input(x)).out(0);
  if (node.outputs().size() > 1)
    launch.out(1);
  else
    launch.i64(0);
  launch.i64_dim(step.dim(outer)).i64_dim(step.dim(shape[axis])).i64_dim(step.dim(inner));
  launch.i64((*k)[0]);
  launch.grid(step.dim(outer * inner)).threads(32 * warps).shared(16 * warps).overlaps();
  step.add(std::move(launch));
  return step.finish("a block a line");
}

const RegisterLowering kCumSum("CumSum", lower_cumulative);
const RegisterLowering kCumProd("CumProd", lower_cumulative);
const RegisterLowering kTopK("TopK", lower_top_k);

}  // namespace
}  // namespace planish::cuda
