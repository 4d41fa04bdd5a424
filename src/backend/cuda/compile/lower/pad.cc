// SPDX-License-Identifier: Apache-2.0
// Pad in all modes (kernels/fill.cuh).
#include <algorithm>

#include "backend/cuda/compile/axes.h"
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/lowering.h"
#include "base/str.h"
#include "passes/rewrite.h"

namespace planish::cuda {
namespace {

constexpr size_t kMaxAxes = 8;

const char* mode_name(const std::string& mode) {
  if (mode == "constant") return "kPadValue";
  if (mode == "edge") return "kPadEdge";
  if (mode == "reflect") return "kPadReflect";
  return mode == "wrap" ? "kPadWrap" : nullptr;
}

std::optional<ref::StepChoice> lower_pad(const ir::Node& node, Lowering& lowering) {
  const ir::Value* x = node.input(0);
  const auto pads = passes::constant_integers(node.input(1));
  const char* mode = mode_name(node.attributes().text("mode", "constant"));
  if (x == nullptr || !x->type().has_rank() || element_name(x->type().dtype).empty() || !pads ||
      mode == nullptr)
    return std::nullopt;
  const Shape& in = shape_of(x);
  const Shape& out = shape_of(node.output());
  if (in.size() > kMaxAxes || in.empty()) return std::nullopt;
  std::vector<int64_t> before(in.size(), 0);
  if (node.input(3) == nullptr) {
    if (pads->size() != 2 * in.size()) return std::nullopt;
    std::copy_n(pads->begin(), in.size(), before.begin());
  } else {
    const auto axes = passes::constant_integers(node.input(3));
    if (!axes || axes->size() * 2 != pads->size()) return std::nullopt;
    for (size_t i = 0; i < axes->size(); ++i)
      before[static_cast<size_t>(
          (*axes)[i] + ((*axes)[i] < 0 ? static_cast<int64_t>(in.size()) : 0))] = (*pads)[i];
  }
  constexpr int kThreads = 256;
  StepBuilder step(lowering);
  // Nothing stands at an edge of no elements.
  for (size_t i = 0; i < in.size(); ++i)
    if (std::string(mode) != "kPadValue" && !(before[i] == 0 && in[i] == out[i]))
      step.require_elements(in[i]);
  Launch launch(concat(
      "#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"fill.cuh\"\n"
      "struct Config {\n  using Element = ",
      "planish::", mover_name(x->type().dtype),
      ";\n  using Index = planish::i64;\n"
      "  static constexpr int kRank = ",
      in.size(), ", kMode = planish::", mode, ";\n};\nextern \"C\" PLANISH_KERNEL(", kThreads,
      ", 1) void entry(PLANISH_PARAMS(planish::PadParams) p) {\n"
      "  planish::pad_kernel<Config>(p);\n}\n"));
  launch.in(step.input(x)).out(0).in(step.input(node.input(2)));
  const Dim size = product(out);
  launch.i64_dim(step.dim(size));
  const auto add = [&](auto value) {
    for (size_t i = 0; i < kMaxAxes; ++i) {
      if (i < in.size())
        launch.i64_dim(step.dim(value(i)));
      else
        launch.i64(0);
    }
  };
  const std::vector<Dim> strides = dense_strides(in);
  add([&](size_t i) { return out[i]; });
  add([&](size_t i) { return in[i]; });
  add([&](size_t i) { return Dim(before[i]); });
  add([&](size_t i) { return strides[i]; });
  launch.grid(step.dim(size.ceil_div(kThreads))).threads(kThreads).overlaps();
  step.add(std::move(launch));
  return step.finish("one pass over memory");
}

const RegisterLowering kPad("Pad", lower_pad);

}  // namespace
}  // namespace planish::cuda
