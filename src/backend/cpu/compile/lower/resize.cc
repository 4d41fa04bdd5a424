// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "backend/cpu/compile/lowering.h"
#include "tensor/elements.h"

namespace planish::cpu {
namespace {

// Images whose two neighbouring spatial axes change, by constant scales or sizes, plain modes.
std::optional<ref::StepChoice> lower_resize(const ir::Node& node, const LowerTarget&) {
  const ir::Value* x = node.input(0);
  const Attributes& a = node.attributes();
  if (!is_f32(x) || !has_rank(x) || x->type().shape->size() != 4 || a.has("axes"))
    return std::nullopt;
  const std::string mode = a.text("mode", "nearest");
  const std::string coordinates = a.text("coordinate_transformation_mode", "half_pixel");
  if ((mode != "nearest" && mode != "linear") || coordinates.starts_with("tf_") ||
      a.integer("antialias", 0) != 0 || a.text("keep_aspect_ratio_policy", "stretch") != "stretch")
    return std::nullopt;
  const Shape& in = *x->type().shape;
  const Shape& out = *node.output()->type().shape;
  std::vector<double> scales;
  if (const ir::Value* given = node.input(2);
      given != nullptr && !(given->is_constant() && given->constant().count() == 0)) {
    if (!given->is_constant() || given->constant().count() != 4) return std::nullopt;
    scales = load<double>(given->constant());
  }
  // A scale of 1.05 leaves ten places ten, but moves them.
  const auto is_kept = [&](size_t axis) {
    return in[axis] == out[axis] && (scales.empty() || scales[axis] == 1);
  };
  int64_t rows = 0;
  if (is_kept(1)) rows = 2;
  if (is_kept(3)) rows = 1;  // also where nothing is known to change
  if (rows == 0 || !is_kept(0)) return std::nullopt;
  for (int64_t axis : {rows, rows + 1})
    if (in[static_cast<size_t>(axis)].range().min < 1 &&
        in[static_cast<size_t>(axis)].is_constant())
      return std::nullopt;
  if (!scales.empty()) scales = {scales.begin() + rows, scales.begin() + rows + 2};
  return ref::StepChoice{
      .kernel = "cpu.resize",
      .attributes = Attributes{{"rows", rows},
                               {"scales", scales},
                               {"mode", mode},
                               {"coordinates", coordinates},
                               {"rounding", a.text("nearest_mode", "round_prefer_floor")}},
      .inputs = std::vector<ref::StepChoice::Input>{x},
      .tactic = "rows then columns"};
}

const RegisterLowering kResize("Resize", lower_resize);

}  // namespace
}  // namespace planish::cpu
