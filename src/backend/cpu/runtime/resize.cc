// SPDX-License-Identifier: Apache-2.0
// cpu.resize: images of floats, nearest or linear along two neighbouring axes.
//
// Attributes: rows (the first of the two axes, 1 for channels last, 2 for channels first), scales
// of the two, mode, coordinates, rounding as ONNX names them.
#include "backend/cpu/kernels/resize.h"

#include <algorithm>
#include <array>

#include "backend/cpu/runtime/step_isa.h"
#include "runtime/step_kernel.h"

namespace planish::cpu {
namespace {

struct ResizeState final : StepState {
  explicit ResizeState(ResizePlan made) : plan(std::move(made)) {}
  ResizePlan plan;
  ResizeParams params;
};

template <class Enum, size_t n>
Enum find_name(const StepInfo& info, const std::array<std::string_view, n>& names,
               const std::string& name) {
  const auto* found = std::find(names.begin(), names.end(), name);
  info.require(found != names.end(), "unknown mode " + name);
  return static_cast<Enum>(found - names.begin());
}

class ResizeStep final : public StepKernel {
 public:
  explicit ResizeStep(const StepInfo& info) : isa_(step_isa(info)) {
    static constexpr std::array<std::string_view, 5> kCoordinates = {
        "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"};
    static constexpr std::array<std::string_view, 2> kModes = {"nearest", "linear"};
    static constexpr std::array<std::string_view, 4> kRoundings = {
        "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
    const Attributes& a = info.attributes();
    info.require(info.has_input(0) && info.wants_output(0), "expected an input and an output");
    rows_ = a.integer("rows");
    info.require(rows_ == 1 || rows_ == 2, "rows is axis 1 or 2");
    scales_ = a.reals("scales", {});
    info.require(scales_.empty() || scales_.size() == 2, "expected two scales");
    mode_ = find_name<ResizeMode>(info, kModes, a.text("mode"));
    coordinates_ = find_name<ResizeCoordinates>(info, kCoordinates, a.text("coordinates"));
    rounding_ = find_name<ResizeRounding>(info, kRoundings, a.text("rounding"));
  }

  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& x = shapes.input(0);
    const KnownTensor& y = shapes.output(0);
    shapes.require(
        x.dtype == DType::kF32 && y.dtype == DType::kF32 && x.rank() == 4 && y.rank() == 4,
        "expected float32 images");
    const auto rows = static_cast<size_t>(rows_);
    const size_t channels = rows == 1 ? 3 : 1;
    shapes.require(x.dims[0] == y.dims[0] && x.dims[channels] == y.dims[channels],
                   "only two axes may change");
    if (y.count() == 0) return {};
    auto axis = [&](size_t i) {
      const int64_t in = x.dims[rows + i], out = y.dims[rows + i];
      const double scale =
          scales_.empty() ? static_cast<double>(out) / static_cast<double>(in) : scales_[i];
      return ResizeAxis{.in = in, .out = out, .scale = scale};
    };
    auto state =
        std::make_unique<ResizeState>(ResizePlan(axis(0), axis(1), mode_, coordinates_, rounding_));
    state->params = {
        .batch = x.dims[0], .channels = x.dims[channels], .channels_last = rows == 1, .isa = isa_};
    StepBinding binding;
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& c) const override {
    if (c.output(0).count() == 0) return;
    auto& state = static_cast<ResizeState&>(*c.state());
    ResizeParams p = state.params;
    p.plan = &state.plan;
    p.src = c.input(0).as<float>();
    p.dst = c.output(0).as<float>();
    run_resize(p, c.pool());
  }

 private:
  Isa isa_;
  int64_t rows_ = 1;
  std::vector<double> scales_;
  ResizeMode mode_{};
  ResizeCoordinates coordinates_{};
  ResizeRounding rounding_{};
};

const RegisterStepKernel kResize("cpu.resize", make_step_kernel<ResizeStep>);

}  // namespace
}  // namespace planish::cpu
