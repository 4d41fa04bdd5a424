// SPDX-License-Identifier: Apache-2.0
// cpu.pad: elements of whole bytes added around a tensor, or cut off. Attributes pads (as Pad's,
// two an axis), mode, value (an int holding the bits of the element that fills).
#include "backend/cpu/kernels/pad.h"

#include <algorithm>

#include "runtime/step_kernel.h"

namespace planish::cpu {
namespace {

struct PadState final : StepState {
  PadLayout layout;
};

class PadStep final : public StepKernel {
 public:
  explicit PadStep(const StepInfo& info)
      : pads_(info.attributes().integers("pads")), value_(info.attributes().integer("value", 0)) {
    info.require(info.has_input(0) && info.wants_output(0), "expected an input and an output");
    info.require(find_pad_mode(info.attributes().text("mode", "constant"), &mode_),
                 "the mode is unknown");
    constexpr int64_t kLimit = int64_t{1} << 40;
    for (int64_t p : pads_) info.require(p > -kLimit && p < kLimit, "a pad is out of range");
  }

  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& x = shapes.input(0);
    const KnownTensor& y = shapes.output(0);
    const size_t rank = x.dims.size();
    shapes.require(x.present() && y.dims.size() == rank && pads_.size() == 2 * rank,
                   "the pads do not fit the rank");
    const int bits = dtype_bits(x.dtype);
    shapes.require(x.dtype == y.dtype && bits >= 8 && bits <= 64,
                   "expected elements of 1 to 8 bytes");
    for (size_t i = 0; i < rank; ++i)
      shapes.require(y.dims[i] == pads_[i] + x.dims[i] + pads_[rank + i],
                     "the output has another shape");
    auto state = std::make_unique<PadState>();
    if (y.count() != 0) {
      shapes.require(mode_ == PadMode::kConstant || x.count() != 0,
                     "the input is empty: there is nothing to pad with");
      state->layout = PadLayout(mode_, x.dims, y.dims, std::span(pads_).first(rank), bits / 8);
    }
    StepBinding binding;
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& c) const override {
    Tensor& y = c.output(0);
    if (y.count() == 0) return;
    static_cast<PadState&>(*c.state()).layout.run(c.input(0).data(), y.data(), &value_, c.pool());
  }

 private:
  std::vector<int64_t> pads_;
  int64_t value_;
  PadMode mode_ = PadMode::kConstant;
};

const RegisterStepKernel kPad("cpu.pad", make_step_kernel<PadStep>);

}  // namespace
}  // namespace planish::cpu
