// SPDX-License-Identifier: Apache-2.0
// Softmax and normalisations: kernels over rows.
#include <algorithm>

#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/mma_choice.h"
#include "backend/cuda/compile/root_output.h"
#include "base/str.h"

namespace planish::cuda {
namespace {

// How a row is spread over threads (kernels/rows.cuh).
struct RowTeam {
  int warps = 1, rows = 4, vector = 1, items = 1;
  bool streams = false;

  int threads() const { return 32 * warps * rows; }
  int64_t shared_bytes() const { return warps > 1 ? int64_t{4} * warps * 4 : 0; }
  std::string text() const {
    return concat("  static constexpr int kWarps = ", warps, ", kRows = ", rows,
                  ", kVector = ", vector, ", kItems = ", items,
                  ";\n  static constexpr bool kStream = ", streams ? "true" : "false", ";\n");
  }
};

// A warp a row where that is enough; up to 64 registers of a thread hold it.
RowTeam choose_team(const Dim& row, DType type, std::initializer_list<Dim> strides) {
  RowTeam team;
  team.vector = vector_of(type, strides);
  constexpr int64_t kMostHeld = 32;
  const int64_t columns = typical(row);
  const auto per_lane = [&](int warps) {
    return (columns + int64_t{32} * warps * team.vector - 1) / (int64_t{32} * warps * team.vector);
  };
  const int64_t most_items = std::max<int64_t>(1, kMostHeld / team.vector);
  while (team.warps < 16 && per_lane(team.warps) > most_items) team.warps *= 2;
  team.rows = team.warps == 1 ? 4 : 1;
  team.streams = !row.is_constant() || per_lane(team.warps) > most_items;
  team.items = team.streams ? 1 : static_cast<int>(std::max<int64_t>(1, per_lane(team.warps)));
  return team;
}

// Launches an entry over rows with what all row kernels have in common.
void launch_rows(StepBuilder& step, Launch launch, const RowTeam& team, const Dim& rows) {
  launch.grid(step.dim(rows.ceil_div(team.rows))).threads(team.threads());
  launch.shared(team.shared_bytes()).overlaps();
  step.add(std::move(launch));
}

// Along another axis than the last.
std::optional<ref::StepChoice> lower_softmax_columns(const ir::Node& node, size_t axis,
                                                     Lowering& lowering) {
  const ir::Node& root = root_of(node);
  const ir::Value* x = root.input(0);
  const Shape& shape = shape_of(x);
  StepBuilder step(lowering);
  const RootOutput output(node, nullptr, {.shape = shape, .row = 0, .column = shape.size()}, step,
                          false);
  constexpr int kThreads = 128;
  Launch launch(kernel_source(
      "softmax.cuh",
      concat("  using Input = ", element_text(x), ";\n  using Output = ", output.element(),
             ";\n  static constexpr bool kLog = ", root.op() == "LogSoftmax" ? "true" : "false",
             ";\n"),
      kThreads, "SoftmaxColumnsParams", "softmax_columns"));
  const Dim outer = product(shape, 0, axis), inner = product(shape, axis + 1, shape.size());
  launch.in(step.input(outer_value(node, x)));
  output.add_address(launch);
  launch.i64_dim(step.dim(outer)).i64_dim(step.dim(shape[axis])).i64_dim(step.dim(inner));
  launch.grid(step.dim((outer * inner).ceil_div(kThreads))).threads(kThreads).overlaps();
  step.add(std::move(launch));
  if (!output.finish(step)) return std::nullopt;
  return step.finish("a thread a line");
}

std::optional<ref::StepChoice> lower_softmax(const ir::Node& node, Lowering& lowering) {
  const ir::Node& root = root_of(node);
  const ir::Value* x = root.input(0);
  if (!is_real(x) || shape_of(x).empty()) return std::nullopt;
  const Shape& shape = shape_of(x);
  const size_t axis = normal_axis(root.attributes().integer("axis", -1), shape.size());
  if (axis + 1 != shape.size()) return lower_softmax_columns(node, axis, lowering);
  const Dim& columns = shape[axis];
  const DType type = x->type().dtype;
  const RowTeam team = choose_team(columns, type, {columns});
  StepBuilder step(lowering);
  const RootOutput output(node, nullptr, {.shape = shape, .row = 0, .column = axis}, step);
  Launch launch(concat(
      "#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"softmax.cuh\"\n", output.text(),
      "struct Config {\n  using Input = planish::", element_name(type),
      ";\n  using Output = ", output.element(), ";\n  using Tail = ", output.tail_name(), ";\n",
      team.text(), "  static constexpr bool kLog = ", root.op() == "LogSoftmax" ? "true" : "false",
      ";\n};\nextern \"C\" PLANISH_KERNEL(", team.threads(),
      ", 1) void entry(PLANISH_PARAMS(planish::SoftmaxParams) p) {\n"
      "  planish::softmax_kernel<Config>(p);\n}\n"));
  const Dim rows = product(shape, 0, axis);
  launch.in(step.input(outer_value(node, x)));
  output.add_address(launch);
  launch.i64_dim(step.dim(rows)).i64_dim(step.dim(columns)).i64_dim(step.dim(columns));
  launch.i32_dim(step.dim(columns)).i32(0);
  output.add_operands(step, launch);
  launch_rows(step, std::move(launch), team, rows);
  if (!output.finish(step)) return std::nullopt;
  return step.finish(team.streams ? "rows read three times" : "rows read once");
}

constexpr int kPlain = 0, kPlanes = 1, kPixels = 2;  // kRowNormPlain ... of kernels/row_norm.cuh

// What the normalisations differ in.
struct Norm {
  bool is_centred = true;
  int layout = kPlain;
  Dim rows = 1, groups = 1, columns = 1, run = 1;
  // Of x, for kRowNormPixels: of an image, of a group, of a pixel.
  Dim x_row = 0, x_group = 0, pitch = 0;
};

std::string norm_source(const Norm& norm, const RowTeam& team, const RootOutput& output, DType type,
                        const ir::Value* scale, const ir::Value* bias) {
  return concat(
      "#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"row_norm.cuh\"\n", output.text(),
      "struct Config {\n  using Input = planish::", element_name(type),
      ";\n  using Output = ", output.element(), ";\n  using Tail = ", output.tail_name(),
      ";\n  using Scale = ", scale != nullptr ? element_text(scale) : "planish::f32", ";\n",
      team.text(), "  static constexpr bool kCentred = ", norm.is_centred ? "true" : "false",
      ", kResidual = false, kKeepSum = false;\n  static constexpr bool kHasScale = ",
      scale != nullptr ? "true" : "false", ", kHasBias = ", bias != nullptr ? "true" : "false",
      ";\n  static constexpr int kLayout = ", norm.layout, ";\n};\nextern \"C\" PLANISH_KERNEL(",
      team.threads(),
      ", 1) void entry(PLANISH_PARAMS(planish::RowNormParams) p) {\n"
      "  planish::row_norm_kernel<Config>(p);\n}\n");
}

std::optional<ref::StepChoice> launch_norm(const ir::Node& node, const Norm& norm,
                                           const TailShape& tail, Lowering& lowering) {
  const ir::Node& root = root_of(node);
  const ir::Value* x = root.input(0);
  const ir::Value* scale = root.input(1);
  const ir::Value* bias = root.input(2);
  for (const ir::Value* v : {scale, bias})
    if (v != nullptr && (!is_real(v) || v->type().dtype != scale->type().dtype))
      return std::nullopt;
  for (size_t i = 1; i < root.outputs().size(); ++i)
    if (root.outputs()[i] != nullptr) return std::nullopt;
  const DType type = x->type().dtype;
  const RowTeam team = choose_team(norm.columns, type,
                                   {norm.layout == kPlain ? norm.columns : norm.run, norm.columns});
  StepBuilder step(lowering);
  const RootOutput output(node, nullptr, tail, step, norm.layout == kPlain);
  Launch launch(norm_source(norm, team, output, type, scale, bias));
  launch.in(step.input(outer_value(node, x))).i64(0).i64(0);
  launch.in(step.input(outer_value(node, scale))).in(step.input(outer_value(node, bias)));
  output.add_address(launch);
  launch.i64(0).i64(0).i64_dim(step.dim(norm.rows));
  const bool is_last = norm.layout == kPixels;
  for (int i = 0; i < 2; ++i) launch.i64_dim(step.dim(is_last ? norm.x_row : norm.columns));
  launch.i64_dim(step.dim(norm.x_group)).i64_dim(step.dim(norm.pitch));
  launch.i32_dim(step.dim(norm.columns)).i32_dim(step.dim(norm.groups));
  launch.i32_dim(step.dim(norm.run));
  launch.f32(static_cast<float>(root.attributes().real("epsilon", 1e-5)));
  output.add_operands(step, launch);
  launch_rows(step, std::move(launch), team, norm.rows);
  if (!output.finish(step)) return std::nullopt;
  return step.finish(team.streams ? "rows read three times" : "rows read once");
}

std::optional<ref::StepChoice> lower_row_norm(const ir::Node& node, Lowering& lowering) {
  const ir::Node& root = root_of(node);
  const ir::Value* x = root.input(0);
  if (!is_real(x)) return std::nullopt;
  const Shape& shape = shape_of(x);
  const size_t axis = normal_axis(root.attributes().integer("axis", -1), shape.size());
  Norm norm;
  norm.is_centred = root.op() != "RMSNormalization";
  norm.columns = product(shape, axis, shape.size());
  if (!norm.columns.is_constant() || norm.columns == Dim(0)) return std::nullopt;
  norm.rows = product(shape, 0, axis);
  // The vectors must be as long as a row, not broadcast into it.
  for (int i = 1; i <= 2; ++i) {
    const ir::Value* v = root.input(i);
    if (v != nullptr && (!is_real(v) || !(product(shape_of(v)) == norm.columns)))
      return std::nullopt;
  }
  return launch_norm(node, norm, {.shape = shape, .row = 0, .column = axis}, lowering);
}

std::optional<ref::StepChoice> lower_group_norm(const ir::Node& node, Lowering& lowering) {
  const ir::Node& root = root_of(node);
  const ir::Value* x = root.input(0);
  if (!is_real(x) || shape_of(x).size() < 3 || root.input(1) == nullptr || root.input(2) == nullptr)
    return std::nullopt;
  const Shape& shape = shape_of(x);
  const bool is_last = root.op().ends_with("Nhwc");
  const Dim& depth = is_last ? shape.back() : shape[1];
  if (!depth.is_constant() || depth.value() < 1) return std::nullopt;
  const int64_t channels = depth.value();
  const bool has_groups = root.op().find("GroupNormalization") != std::string::npos;
  const int64_t groups = has_groups ? root.attributes().integer("num_groups") : channels;
  const size_t first = is_last ? 1 : 2;
  const Dim pixels = product(shape, first, shape.size() - (is_last ? 1 : 0));
  Norm norm;
  norm.layout = is_last ? kPixels : kPlanes;
  norm.groups = groups;
  norm.run = is_last ? Dim(channels / groups) : pixels;
  norm.columns = pixels * (channels / groups);
  norm.rows = shape[0] * groups;
  if (is_last) {
    norm.x_row = pixels * channels;
    norm.x_group = channels / groups;
    norm.pitch = channels;
  }
  return launch_norm(node, norm, {.shape = shape, .row = 1, .column = shape.size()}, lowering);
}

const RegisterLowering kSoftmax[] = {{"Softmax", lower_softmax}, {"LogSoftmax", lower_softmax}};
const RegisterLowering kRowNorm[] = {{"LayerNormalization", lower_row_norm},
                                     {"RMSNormalization", lower_row_norm}};
const RegisterLowering kGroupNorm[] = {{"InstanceNormalization", lower_group_norm},
                                       {"GroupNormalization", lower_group_norm},
                                       {"planish.InstanceNormalizationNhwc", lower_group_norm},
                                       {"planish.GroupNormalizationNhwc", lower_group_norm}};

}  // namespace
}  // namespace planish::cuda
