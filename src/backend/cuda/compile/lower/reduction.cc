// SPDX-License-Identifier: Apache-2.0
// Reductions over any axes (kernels/reduce.cuh).
#include <algorithm>

#include "backend/cuda/compile/axes.h"
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/mma_choice.h"
#include "backend/cuda/compile/root_output.h"
#include "base/str.h"
#include "passes/rewrite.h"

namespace planish::cuda {
namespace {

constexpr size_t kMaxAxes = 4;

std::string fold_of(const std::string& op) {
  static const std::map<std::string, std::string, std::less<>> kFolds = {
      {"ReduceSum", "FoldSum"},      {"ReduceMean", "FoldMean"},
      {"ReduceMax", "FoldMax"},      {"ReduceMin", "FoldMin"},
      {"ReduceProd", "FoldProduct"}, {"ReduceL1", "FoldL1"},
      {"ReduceL2", "FoldL2"},        {"ReduceSumSquare", "FoldSumSquare"},
      {"ReduceLogSum", "FoldLogSum"}};
  const auto it = kFolds.find(op);
  return it == kFolds.end() ? std::string() : it->second;
}

struct Reduction {
  Axes kept;     // strides: x, y
  Axes reduced;  // strides: x
  bool by_columns = false;
  int warps = 4, rows = 1, vector = 1;

  int threads() const { return 32 * warps * rows; }
  int64_t shared_bytes() const {
    return warps == 1 ? 0 : int64_t{warps} * 4 * (by_columns ? 32 * vector : 1);
  }
};

void add_axes(StepBuilder& step, Launch& launch, const std::vector<Dim>& values,
              const Dim& filler) {
  for (size_t i = 0; i < kMaxAxes; ++i)
    launch.i64_dim(step.dim(i < values.size() ? values[i] : filler));
}

bool are_multiples(const std::vector<Dim>& strides, int n, size_t but_last) {
  for (size_t i = 0; i + but_last < strides.size(); ++i)
    if (!Dim::exact_div(strides[i], n)) return false;
  return true;
}

// Whether the innermost kept axis is contiguous in x (columns), or the innermost reduced one.
void choose_walk(Reduction& r, DType type) {
  const int widest = 16 / (dtype_bits(type) / 8);
  const auto shrink = [&](const Dim& size, const std::vector<Dim>& a, const std::vector<Dim>& b) {
    int n = widest;
    while (n > 1 && !(Dim::exact_div(size, n) && are_multiples(a, n, 1) && are_multiples(b, n, 0)))
      n /= 2;
    return n;
  };
  r.by_columns = !r.kept.dims.empty() && r.kept.strides[0].back() == Dim(1);
  if (r.by_columns) {
    r.vector = std::min(shrink(r.kept.dims.back(), r.kept.strides[0], r.reduced.strides[0]),
                        shrink(r.kept.dims.back(), r.kept.strides[1], {}));
    r.vector = std::min(r.vector, 4);
    r.warps = 8;
    return;
  }
  if (!r.reduced.dims.empty() && r.reduced.strides[0].back() == Dim(1))
    r.vector = shrink(r.reduced.dims.back(), r.reduced.strides[0], r.kept.strides[0]);
  const int64_t vectors = typical(product(r.reduced.dims)) / r.vector;
  r.warps = vectors <= 256 ? 1 : vectors <= 2048 ? 4 : 8;
  r.rows = r.warps == 1 ? 4 : 1;
}

std::optional<ref::StepChoice> lower_reduce(const ir::Node& node, Lowering& lowering) {
  const ir::Node& root = root_of(node);
  const ir::Value* x = root.input(0);
  const std::string fold = fold_of(root.op());
  if (fold.empty() || !is_real(x)) return std::nullopt;
  const Shape& shape = shape_of(x);
  auto axes = passes::constant_integers(root.input(1));
  if (!axes || axes->empty()) return std::nullopt;
  for (int64_t& axis : *axes) axis += axis < 0 ? static_cast<int64_t>(shape.size()) : 0;
  const std::vector<Dim> dense = dense_strides(shape);
  Shape kept, reduced;
  std::vector<Dim> kept_x, reduced_x;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool goes = std::find(axes->begin(), axes->end(), static_cast<int64_t>(i)) != axes->end();
    (goes ? reduced : kept).push_back(shape[i]);
    (goes ? reduced_x : kept_x).push_back(dense[i]);
  }
  Reduction r;
  r.kept = merge_axes(kept, {kept_x, dense_strides(kept)});
  r.reduced = merge_axes(reduced, {reduced_x});
  if (r.kept.dims.size() > kMaxAxes || r.reduced.dims.size() > kMaxAxes) return std::nullopt;
  const DType type = x->type().dtype;
  choose_walk(r, type);
  StepBuilder step(lowering);
  const Shape& out = shape_of(root.output());
  const RootOutput output(node, nullptr, {.shape = out, .row = 0, .column = out.size()}, step);
  Launch launch(
      concat("#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"reduce.cuh\"\n", output.text(),
             "struct Config {\n  using Input = planish::", element_name(type),
             ";\n  using Output = ", output.element(), ";\n  using Fold = planish::", fold,
             ";\n  using Number = float;\n  using Tail = ", output.tail_name(),
             ";\n  static constexpr int kKept = ", r.kept.dims.size(),
             ", kReduced = ", r.reduced.dims.size(), ", kWarps = ", r.warps, ", kRows = ", r.rows,
             ", kVector = ", r.vector, ";\n  static constexpr bool kColumns = ",
             r.by_columns ? "true" : "false", ";\n};\nextern \"C\" PLANISH_KERNEL(", r.threads(),
             ", 1) void entry(PLANISH_PARAMS(planish::ReduceParams) p) {\n"
             "  planish::reduce_kernel<Config>(p);\n}\n"));
  launch.in(step.input(outer_value(node, x)));
  output.add_address(launch);
  const Dim count = product(kept);
  launch.i64_dim(step.dim(count)).i64_dim(step.dim(product(reduced)));
  add_axes(step, launch, r.kept.dims, 1);
  add_axes(step, launch, r.kept.strides[0], 0);
  add_axes(step, launch, r.kept.strides[1], 0);
  add_axes(step, launch, r.reduced.dims, 1);
  add_axes(step, launch, r.reduced.strides[0], 0);
  output.add_operands(step, launch);
  launch.grid(step.dim(count.ceil_div(r.by_columns ? 32 * r.vector : r.rows)));
  launch.threads(r.threads()).shared(r.shared_bytes()).overlaps();
  step.add(std::move(launch));
  if (!output.finish(step)) return std::nullopt;
  return step.finish(r.by_columns ? "folds columns" : "folds rows");
}

const RegisterLowering kReduce[] = {
    {"ReduceSum", lower_reduce},       {"ReduceMean", lower_reduce},   {"ReduceMax", lower_reduce},
    {"ReduceMin", lower_reduce},       {"ReduceProd", lower_reduce},   {"ReduceL1", lower_reduce},
    {"ReduceSumSquare", lower_reduce}, {"ReduceLogSum", lower_reduce}, {"ReduceL2", lower_reduce}};

}  // namespace
}  // namespace planish::cuda
