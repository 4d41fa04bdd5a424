// SPDX-License-Identifier: Apache-2.0
// Gather along an axis (kernels/gather.cuh).
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/lowering.h"
#include "backend/cuda/compile/mma_choice.h"
#include "base/str.h"

namespace planish::cuda {
namespace {

// An element type of the same size.
const char* mover(DType type) {
  switch (dtype_bits(type)) {
    case 8: return "planish::u8";
    case 16: return "planish::u16";
    case 32: return "planish::u32";
    case 64: return "planish::u64";
    default: return nullptr;
  }
}

std::optional<ref::StepChoice> lower_gather(const ir::Node& node, Lowering& lowering) {
  const ir::Value* x = node.input(0);
  const ir::Value* index = node.input(1);
  if (x == nullptr || !x->type().has_rank() || element_name(x->type().dtype).empty() ||
      !is_tensor(index, {DType::kI32, DType::kI64}))
    return std::nullopt;
  const Shape& shape = shape_of(x);
  int64_t axis = node.attributes().integer("axis", 0);
  axis += axis < 0 ? static_cast<int64_t>(shape.size()) : 0;
  const auto at = static_cast<size_t>(axis);
  const DType type = x->type().dtype;
  const Dim outer = product(shape, 0, at), inner = product(shape, at + 1, shape.size());
  const Dim count = product(shape_of(index));
  const int vector = vector_of(type, {inner});
  constexpr int kThreads = 256;
  StepBuilder step(lowering);
  Launch launch(
      concat("#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"gather.cuh\"\n"
             "struct Config {\n  using Element = ",
             mover(type), ";\n  using Index = ", element_text(index),
             ";\n  static constexpr int kVector = ", vector,
             ", kRank = 1;\n};\nextern \"C\" PLANISH_KERNEL(", kThreads,
             ", 1) void entry(PLANISH_PARAMS(planish::GatherParams) p) {\n"
             "  planish::gather_kernel<Config>(p);\n}\n"));
  launch.in(step.input(x)).in(step.input(index)).out(0).fault();
  launch.i64_dim(step.dim(outer)).i64_dim(step.dim(count)).i64_dim(step.dim(inner));
  launch.i64_dim(step.dim(shape[at])).i64_dim(step.dim(shape[at] * inner));
  constexpr int kMaxAxes = 8;
  for (int i = 0; i < 2 * kMaxAxes + 1; ++i) launch.i64(0);
  const Dim elements = outer * count * inner;
  launch.grid(step.dim(elements.ceil_div(int64_t{kThreads} * vector))).threads(kThreads).overlaps();
  step.add(std::move(launch));
  return step.finish("moves runs by index");
}

const RegisterLowering kGather("Gather", lower_gather);

}  // namespace
}  // namespace planish::cuda
