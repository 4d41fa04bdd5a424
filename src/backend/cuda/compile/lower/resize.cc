// SPDX-License-Identifier: Apache-2.0
// Resize by tables (kernels/resize.cuh). Resizing is linear along each axis, so the op itself,
// applied to the identity matrix, tells which inputs an output is made of, in every mode.
#include <algorithm>
#include <array>

#include "backend/cuda/compile/axes.h"
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/lowering.h"
#include "backend/cuda/compile/mma_choice.h"
#include "base/str.h"
#include "ops/evaluate.h"
#include "tensor/elements.h"

namespace planish::cuda {
namespace {

constexpr int64_t kMostSize = 4096;  // of an axis: the table comes from a matrix of its square
constexpr int64_t kMostCells = int64_t{1} << 24;

struct Table {
  int64_t in = 1, out = 1;
  int taps = 1;
  std::vector<int32_t> index{0};
  std::vector<float> weight{1};
};

// The constant at input i of the node, if it has elements.
const Tensor* given(const ir::Node& node, int i) {
  const ir::Value* v = node.input(i);
  return v != nullptr && v->is_constant() && v->constant().count() > 0 ? &v->constant() : nullptr;
}

Tensor identity_matrix(int64_t n) {
  Tensor t(DType::kF32, {n, n});
  std::fill_n(t.as<float>(), n * n, 0.0F);
  for (int64_t i = 0; i < n; ++i) t.as<float>()[i * n + i] = 1;
  return t;
}

// Row i of the result is what input i adds to each output.
std::optional<Tensor> weights_of(const ir::Node& node, size_t axis, int64_t in, int64_t out) {
  Attributes attributes = node.attributes();
  attributes.erase("axes");
  const Datum x(identity_matrix(in));
  std::vector<Datum> extra(3);
  if (const Tensor* scales = given(node, 2)) {
    const std::vector<float> all = load<float>(*scales);
    const float s[2] = {1, all[axis]};
    extra[1] = Tensor::of<float>(DType::kF32, {2}, s);
  } else {
    const int64_t sizes[2] = {in, out};
    extra[2] = Tensor::vector_i64(sizes);
  }
  const Datum* inputs[4] = {&x, nullptr, extra[1].empty() ? nullptr : &extra[1],
                            extra[2].empty() ? nullptr : &extra[2]};
  Datum y;
  Datum* outputs[1] = {&y};
  RunBudget budget;
  evaluate(get_op("Resize"), node.name(), attributes, inputs, outputs, nullptr, budget);
  if (y.tensor().rank() != 2 || y.tensor().dim(0) != in || y.tensor().dim(1) != out)
    return std::nullopt;
  return y.tensor();
}

std::optional<Table> table_of(const ir::Node& node, size_t axis, const Dim& in, const Dim& out) {
  if (!in.is_constant() || !out.is_constant() || in.value() < 1 || out.value() < 1 ||
      in.value() > kMostSize || in.value() * std::max(in.value(), out.value()) > kMostCells)
    return std::nullopt;
  Table table{.in = in.value(), .out = out.value()};
  const auto weights = weights_of(node, axis, table.in, table.out);
  if (!weights) return std::nullopt;
  const auto* w = weights->as<float>();
  std::vector<std::vector<std::pair<int32_t, float>>> taps(static_cast<size_t>(table.out));
  for (int64_t o = 0; o < table.out; ++o)
    for (int64_t i = 0; i < table.in; ++i)
      if (const float v = w[i * table.out + o]; v != 0)
        taps[static_cast<size_t>(o)].emplace_back(static_cast<int32_t>(i), v);
  for (const auto& t : taps) table.taps = std::max(table.taps, static_cast<int>(t.size()));
  constexpr int kMostTaps = 64;
  if (table.taps > kMostTaps) return std::nullopt;
  table.index.clear();
  table.weight.clear();
  for (auto& t : taps) {
    t.resize(static_cast<size_t>(table.taps), {t.empty() ? 0 : t.front().first, 0.0F});
    for (const auto& [index, weight] : t) {
      table.index.push_back(index);
      table.weight.push_back(weight);
    }
  }
  return table;
}

std::optional<ref::StepChoice> lower_resize(const ir::Node& node, Lowering& lowering) {
  const ir::Value* x = node.input(0);
  const Attributes& a = node.attributes();
  if (!is_real(x) || a.has("axes") ||
      a.text("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize" ||
      a.text("keep_aspect_ratio_policy", "stretch") != "stretch")
    return std::nullopt;
  const Shape& in = shape_of(x);
  const Shape& out = shape_of(node.output());
  const Tensor* scales = given(node, 2);
  if (scales != nullptr && scales->count() != static_cast<int64_t>(in.size())) return std::nullopt;
  size_t first = 0, end = in.size();
  // An axis of equal size is not always left as it is: 10 times 1.05 is 10 elements too.
  const std::vector<float> factors =
      scales != nullptr ? load<float>(*scales) : std::vector<float>(in.size(), 1.0F);
  const auto is_kept = [&](size_t axis) { return in[axis] == out[axis] && factors[axis] == 1; };
  while (first < end && is_kept(first)) ++first;
  while (end > first && is_kept(end - 1)) --end;
  if (end - first < 1 || end - first > 3) return std::nullopt;
  std::array<Table, 3> tables;
  for (size_t axis = first; axis < end; ++axis) {
    const auto table = table_of(node, axis, in[axis], out[axis]);
    if (!table) return std::nullopt;
    tables[3 - (end - axis)] = *table;
  }
  const DType type = x->type().dtype;
  const Dim channels = product(in, end, in.size());
  const Dim outer = product(in, 0, first);
  const int vector = std::min(8, vector_of(type, {channels}));
  const bool channels_last = !(channels == Dim(1));
  constexpr int kThreads = 128;
  StepBuilder step(lowering);
  const std::string element = concat("planish::", element_name(type));
  Launch launch(
      concat("#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"resize.cuh\"\nstruct Config {\n"
             "  using Input = ",
             element, ";\n  using Output = ", element,
             ";\n  static constexpr bool kNearest = false;\n  static constexpr int kTaps0 = ",
             tables[0].taps, ", kTaps1 = ", tables[1].taps, ", kTaps2 = ", tables[2].taps,
             ", kVector = ", vector, ";\n  static constexpr bool kChannelsLast = ",
             channels_last ? "true" : "false", ";\n};\nextern \"C\" PLANISH_KERNEL(", kThreads,
             ", 1) void entry(PLANISH_PARAMS(planish::ResizeParams) p) {\n"
             "  planish::resize_kernel<Config>(p);\n}\n"));
  launch.in(step.input(x)).out(0);
  for (const Table& t : tables)
    launch.in(step.input(
        Tensor::of<int32_t>(DType::kI32, {static_cast<int64_t>(t.index.size())}, t.index)));
  for (const Table& t : tables)
    launch.in(step.input(
        Tensor::of<float>(DType::kF32, {static_cast<int64_t>(t.weight.size())}, t.weight)));
  for (const bool is_input : {true, false}) {
    Dim stride = channels;
    std::array<Dim, 3> axes;
    for (size_t i = 3; i-- > 0;) {
      axes[i] = stride;
      stride = stride * Dim(is_input ? tables[i].in : tables[i].out);
    }
    launch.i64_dim(step.dim(stride)).i64(1);
    for (const Dim& d : axes) launch.i64_dim(step.dim(d));
  }
  launch.i32_dim(step.dim(outer)).i32_dim(step.dim(channels));
  for (const Table& t : tables) launch.i32(t.out);
  const Dim items = Dim(tables[0].out * tables[1].out * tables[2].out) * channels.ceil_div(vector);
  launch.i32_dim(step.dim(items)).f32(0).i32(0);
  launch.grid(step.dim(items.ceil_div(kThreads)), -1, step.dim(Dim::min(outer, 65535)));
  launch.threads(kThreads).overlaps();
  step.add(std::move(launch));
  return step.finish(
      concat("by tables of ", tables[0].taps, "x", tables[1].taps, "x", tables[2].taps, " taps"));
}

const RegisterLowering kResize("Resize", lower_resize);

}  // namespace
}  // namespace planish::cuda
