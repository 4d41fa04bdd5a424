// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/pointwise_launch.h"

#include <algorithm>

#include "backend/cuda/compile/axes.h"
#include "backend/cuda/compile/expression_writer.h"
#include "base/str.h"

namespace planish::cuda {
namespace {

// Limits of kernels/pointwise.cuh.
constexpr size_t kMaxInputs = 12;
constexpr size_t kMaxRank = 8;
constexpr int kThreads = 256;

bool divides(int64_t n, const Dim& dim) { return n == 1 || Dim::exact_div(dim, n).has_value(); }

int bytes_of(DType type) { return dtype_bits(type) / 8; }

// How a launch walks its elements.
struct Plan {
  Axes axes;  // operand 0 is the output
  int vector = 1;
  int unroll = 1;
  bool is_wide = false;
};

int64_t greatest(const Dim& dim) { return dim.range().max; }

bool is_inner(const Plan& plan, size_t operand) {
  const auto& strides = plan.axes.strides[operand];
  return strides.empty() || strides.back() == Dim(1) || strides.back() == Dim(0);
}

// The widest vector that all operands can be read and written in.
int widest_vector(const Plan& plan, const PointwiseWork& work) {
  const std::vector<Dim>& dims = plan.axes.dims;
  if (dims.empty()) return 1;
  const size_t operands = plan.axes.strides.size();
  for (size_t o = 0; o < operands; ++o)
    if (!is_inner(plan, o)) return 1;
  if (!(plan.axes.strides[0].back() == Dim(1))) return 1;
  int widest = bytes_of(work.output.type);
  for (const PointwiseOperand& in : work.inputs) widest = std::max(widest, bytes_of(in.type));
  const auto fits = [&](int n) {
    if (dims.size() > 1 && !divides(n, dims.back())) return false;
    for (size_t o = 0; o < operands; ++o) {
      const PointwiseOperand& operand = o == 0 ? work.output : work.inputs[o - 1];
      if (plan.axes.strides[o].back() == Dim(0)) continue;
      if (!divides(n, operand.first_element)) return false;
      for (size_t axis = 0; axis + 1 < dims.size(); ++axis)
        if (!divides(n, plan.axes.strides[o][axis])) return false;
    }
    return true;
  };
  int n = 16 / widest;
  while (n > 1 && !fits(n)) n /= 2;
  return std::max(n, 1);
}

Plan make_plan(const PointwiseWork& work) {
  Plan plan;
  std::vector<std::vector<Dim>> strides{work.output.strides};
  for (const PointwiseOperand& in : work.inputs) strides.push_back(in.strides);
  plan.axes = merge_axes(work.shape, strides);
  plan.vector = widest_vector(plan, work);
  const Dim size = product(work.shape);
  constexpr int64_t kManyElements = 1 << 22;
  plan.unroll = size.is_constant() && size.value() >= kManyElements ? 2 : 1;
  // Offsets reach as far as the largest operand.
  plan.is_wide = greatest(size) > INT32_MAX;
  for (size_t o = 0; o < plan.axes.strides.size(); ++o)
    for (size_t axis = 0; axis < plan.axes.dims.size(); ++axis) {
      const Dim reach = plan.axes.dims[axis] * plan.axes.strides[o][axis];
      plan.is_wide = plan.is_wide || greatest(reach) > INT32_MAX || reach.range().min < INT32_MIN;
    }
  return plan;
}

std::string inner_text(const Plan& plan, size_t operand) {
  const auto& strides = plan.axes.strides[operand];
  if (strides.empty() || strides.back() == Dim(1)) return "1";
  return strides.back() == Dim(0) ? "0" : "-1";
}

std::string source_of(const Plan& plan, const PointwiseWork& work) {
  std::string text = concat(
      "#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"pointwise.cuh\"\n", work.functor,
      "struct Config {\n  static constexpr int kRank = ", plan.axes.dims.size(),
      ", kInputs = ", work.inputs.size(), ", kVector = ", plan.vector, ", kUnroll = ", plan.unroll,
      ";\n  using Output = planish::", element_name(work.output.type),
      ";\n  using Expression = planish::pointwise::Expression;\n  static constexpr int "
      "kInnerOutput = ",
      inner_text(plan, 0), ";\n  static constexpr bool kWide = ", plan.is_wide ? "true" : "false",
      ";\n");
  for (size_t i = 0; i < work.inputs.size(); ++i)
    text += concat("  using Input", i, " = planish::", element_name(work.inputs[i].type),
                   ";\n  static constexpr int kInner", i, " = ", inner_text(plan, i + 1), ";\n");
  text += concat("};\nextern \"C\" PLANISH_KERNEL(", kThreads,
                 ", 1) void entry(PLANISH_PARAMS(planish::PointwiseParamsOf<Config>) p) {\n"
                 "  planish::pointwise_kernel<Config>(p);\n}\n");
  return text;
}

// An address, where the operand does not begin at its tensor's first element.
int offset_of(StepBuilder& step, const PointwiseOperand& operand) {
  if (operand.first_element == Dim(0)) return -1;
  return step.dim(operand.first_element * bytes_of(operand.type));
}

}  // namespace

bool add_pointwise(StepBuilder& step, const PointwiseWork& work) {
  step.rounds_to(work.output.type);
  if (work.inputs.size() > kMaxInputs) return false;
  const Plan plan = make_plan(work);
  if (plan.axes.dims.size() > kMaxRank) return false;
  Launch launch(source_of(plan, work));
  launch.out(work.output.address, offset_of(step, work.output));
  for (const PointwiseOperand& in : work.inputs) {
    if (in.is_scratch)
      launch.scratch(in.address);
    else
      launch.in(in.address, offset_of(step, in));
  }
  const Dim size = product(work.shape);
  launch.i64_dim(step.dim(size));
  const bool is_scalar = plan.axes.dims.empty();
  if (is_scalar) launch.i64(1);
  for (const Dim& d : plan.axes.dims) launch.i64_dim(step.dim(d));
  for (const auto& strides : plan.axes.strides) {
    if (is_scalar) launch.i64(0);
    for (const Dim& s : strides) launch.i64_dim(step.dim(s));
  }
  const int64_t per_block = int64_t{kThreads} * plan.vector * plan.unroll;
  launch.grid(step.dim(size.ceil_div(per_block))).threads(kThreads).overlaps();
  step.add(std::move(launch));
  return true;
}

std::string identity_functor(DType type) {
  return concat("namespace planish::pointwise {\nstruct Expression {\n  static PLANISH_DEVICE ",
                element_name(type), " apply(", element_name(type),
                " x) { return x; }\n};\n}  // namespace planish::pointwise\n");
}

}  // namespace planish::cuda
