// SPDX-License-Identifier: Apache-2.0
// cpu.arg_extreme: ArgMax and ArgMin of floats. Attributes axis (not negative), smallest, last.
#include "backend/cpu/kernels/arg_extreme.h"

#include "backend/cpu/runtime/step_isa.h"
#include "runtime/step_kernel.h"

namespace planish::cpu {
namespace {

struct ArgState final : StepState {
  ArgExtreme params;
};

class ArgExtremeStep final : public StepKernel {
 public:
  explicit ArgExtremeStep(const StepInfo& info)
      : isa_(step_isa(info)),
        axis_(info.attributes().integer("axis")),
        smallest_(info.attributes().integer("smallest", 0) != 0),
        last_(info.attributes().integer("last", 0) != 0) {
    info.require(info.has_input(0) && info.wants_output(0), "expected an input and an output");
  }

  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& x = shapes.input(0);
    const KnownTensor& y = shapes.output(0);
    shapes.require(
        x.dtype == DType::kF32 && y.dtype == DType::kI64 && axis_ >= 0 && axis_ < x.rank(),
        "expected float32 data, int64 places and an axis of the data");
    auto state = std::make_unique<ArgState>();
    ArgExtreme& p = state->params;
    const auto axis = static_cast<size_t>(axis_);
    p.outer = element_count(x.dims.first(axis));
    p.inner = element_count(x.dims.subspan(axis + 1));
    p.size = x.dims[axis];
    p.smallest = smallest_;
    p.last = last_;
    shapes.require(y.count() == p.outer * p.inner, "the output has another shape");
    shapes.require(p.size >= 1 && p.size <= INT32_MAX, "the axis is empty or too long");
    StepBinding binding;
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& c) const override {
    if (c.output(0).count() == 0) return;
    ArgExtreme p = static_cast<ArgState&>(*c.state()).params;
    p.x = c.input(0).as<float>();
    p.out = c.output(0).as<int64_t>();
    run_arg_extreme(isa_, p, c.pool());
  }

 private:
  Isa isa_;
  int64_t axis_;
  bool smallest_, last_;
};

const RegisterStepKernel kArgExtreme("cpu.arg_extreme", make_step_kernel<ArgExtremeStep>);

}  // namespace
}  // namespace planish::cpu
