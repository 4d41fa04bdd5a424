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
  int64_t shared_bytes(int64_t number_bytes) const {
    return warps == 1 ? 0 : warps * number_bytes * (by_columns ? 32 * vector : 1);
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
  if (fold.empty() || !is_movable(x)) return std::nullopt;
  const std::string_view number = number_name(x->type().dtype);
  // Tails and quotients are those of floats.
  const bool is_whole = number != "float" && number != "double";
  if (number.empty() || (number != "float" && &root != &node) ||
      (is_whole && root.op() != "ReduceSum" && root.op() != "ReduceMax" &&
       root.op() != "ReduceMin" && root.op() != "ReduceProd"))
    return std::nullopt;
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
             ";\n  using Number = ", number, ";\n  using Tail = ", output.tail_name(),
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
  launch.threads(r.threads()).shared(r.shared_bytes(number == "float" ? 4 : 8)).overlaps();
  step.add(std::move(launch));
  if (!output.finish(step)) return std::nullopt;
  return step.finish(r.by_columns ? "folds columns" : "folds rows");
}

std::optional<ref::StepChoice> lower_arg_extreme(const ir::Node& node, Lowering& lowering) {
  const ir::Value* x = node.input(0);
  if (!is_movable(x) || number_name(x->type().dtype).empty()) return std::nullopt;
  const Shape& shape = shape_of(x);
  const size_t axis = normal_axis(node.attributes().integer("axis", 0), shape.size());
  // Only the portable kernel tells that there is nothing to choose from.
  if (shape[axis].range().min < 1) return std::nullopt;
  const std::vector<Dim> dense = dense_strides(shape);
  Shape kept = shape;
  std::vector<Dim> kept_x = dense;
  kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(axis));
  kept_x.erase(kept_x.begin() + static_cast<std::ptrdiff_t>(axis));
  const Axes axes = merge_axes(kept, {kept_x, dense_strides(kept)});
  constexpr int kRows = 4;
  const Attributes& a = node.attributes();
  StepBuilder step(lowering);
  Launch launch(kernel_source(
      "reduce.cuh",
      concat("  using Input = ", element_text(x),
             ";\n  using Number = ", number_name(x->type().dtype),
             ";\n  static constexpr int kKept = ", axes.dims.size(), ", kRows = ", kRows,
             ";\n  static constexpr bool kLargest = ", node.op() == "ArgMax" ? "true" : "false",
             ", kLastIndex = ", a.integer("select_last_index", 0) != 0 ? "true" : "false", ";\n"),
      32 * kRows, "ReduceParams", "arg_reduce"));
  const Dim count = product(kept);
  launch.in(step.input(x)).out(0).i64_dim(step.dim(count)).i64_dim(step.dim(shape[axis]));
  add_axes(step, launch, axes.dims, 1);
  add_axes(step, launch, axes.strides[0], 0);
  add_axes(step, launch, axes.strides[1], 0);
  add_axes(step, launch, {shape[axis]}, 1);
  add_axes(step, launch, {dense[axis]}, 0);
  add_no_tail(launch);
  launch.grid(step.dim(count.ceil_div(kRows))).threads(32 * kRows).overlaps();
  step.add(std::move(launch));
  return step.finish("a warp an element");
}

const RegisterLowering kArgMax("ArgMax", lower_arg_extreme);
const RegisterLowering kArgMin("ArgMin", lower_arg_extreme);
const RegisterLowering kReduce[] = {
    {"ReduceSum", lower_reduce},       {"ReduceMean", lower_reduce},   {"ReduceMax", lower_reduce},
    {"ReduceMin", lower_reduce},       {"ReduceProd", lower_reduce},   {"ReduceL1", lower_reduce},
    {"ReduceSumSquare", lower_reduce}, {"ReduceLogSum", lower_reduce}, {"ReduceL2", lower_reduce}};

}  // namespace
}  // namespace planish::cuda
