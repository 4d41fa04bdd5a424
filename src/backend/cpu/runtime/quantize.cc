// SPDX-License-Identifier: Apache-2.0
// cpu.quantize, cpu.dequantize: QuantizeLinear and DequantizeLinear between float32 and 8-bit
// integers, by one scale or one for each index of attribute `axis` (-1: one).
// cpu.dynamic_quantize: DynamicQuantizeLinear.
#include "backend/cpu/kernels/quantize.h"

#include <algorithm>
#include <cmath>

#include "backend/cpu/runtime/step_isa.h"
#include "runtime/step_kernel.h"

namespace planish::cpu {
namespace {

struct QuantizeState final : StepState {
  Quantize params;
};

class QuantizeStep final : public StepKernel {
 public:
  QuantizeStep(const StepInfo& info, bool inverse)
      : isa_(step_isa(info)), inverse_(inverse), axis_(info.attributes().integer("axis", -1)) {
    info.require(info.has_input(0) && info.has_input(1) && info.wants_output(0),
                 "expected data, a scale and an output");
  }

  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& x = shapes.input(0);
    const KnownTensor& y = shapes.output(0);
    const KnownTensor& q = inverse_ ? x : y;
    shapes.require((q.dtype == DType::kU8 || q.dtype == DType::kI8) &&
                       (inverse_ ? y : x).dtype == DType::kF32 && x.same_dims(y),
                   "expected float32 and 8-bit integers of one shape");
    auto state = std::make_unique<QuantizeState>();
    Quantize& p = state->params;
    p.is_signed = q.dtype == DType::kI8;
    p.inner = x.count();
    if (axis_ >= 0) {
      shapes.require(axis_ < x.rank(), "the axis is outside of the rank");
      const auto axis = static_cast<size_t>(axis_);
      p.per_channel = true;
      p.outer = element_count(x.dims.first(axis));
      p.channels = x.dims[axis];
      p.inner = element_count(x.dims.subspan(axis + 1));
    }
    const KnownTensor& scale = shapes.input(1);
    const KnownTensor& zero = shapes.input(2);
    shapes.require(scale.dtype == DType::kF32 && scale.count() == p.channels,
                   "the scale has another size or type");
    if (zero.present())
      shapes.require(zero.dtype == q.dtype && zero.count() == p.channels,
                     "the zero point has another size or type");
    StepBinding binding;
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& c) const override {
    Quantize p = static_cast<QuantizeState&>(*c.state()).params;
    p.scale = c.input(1).as<float>();
    if (c.has_input(2)) p.zero = c.input(2).as<uint8_t>();
    if (inverse_) {
      p.q = c.input(0).as<uint8_t>();
      p.y = c.output(0).as<float>();
      dequantize(isa_, p, c.pool());
    } else {
      p.x = c.input(0).as<float>();
      p.q_out = c.output(0).as<uint8_t>();
      quantize(isa_, p, c.pool());
    }
  }

 private:
  Isa isa_;
  bool inverse_;
  int64_t axis_;
};

class DynamicQuantizeStep final : public StepKernel {
 public:
  explicit DynamicQuantizeStep(const StepInfo& info) : isa_(step_isa(info)) {
    info.require(info.has_input(0) && info.output_count() == 3 && info.wants_output(0) &&
                     info.wants_output(1) && info.wants_output(2),
                 "expected an input and three outputs");
  }

  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& x = shapes.input(0);
    const KnownTensor& y = shapes.output(0);
    shapes.require(x.dtype == DType::kF32 && y.dtype == DType::kU8 && x.same_dims(y) &&
                       shapes.output(1).dtype == DType::kF32 && shapes.output(1).count() == 1 &&
                       shapes.output(2).dtype == DType::kU8 && shapes.output(2).count() == 1,
                   "the outputs have other types or shapes");
    StepBinding binding;
    binding.scratch_bytes = static_cast<size_t>(float_range_scratch(shapes.threads()));
    return binding;
  }

  void run(StepContext& c) const override {
    const Tensor& x = c.input(0);
    float least = 0, most = 0;
    float_range(isa_, x.as<float>(), x.count(), &least, &most, c.scratch().data(), c.pool());
    const float scale = (most == least ? 1.0F : most - least) / 255.0F;
    const float place = std::nearbyint(-least / scale);
    const auto zero =
        static_cast<uint8_t>(std::clamp(std::isnan(place) ? 0.0F : place, 0.0F, 255.0F));
    *c.output(1).as<float>() = scale;
    *c.output(2).as<uint8_t>() = zero;
    Quantize p;
    p.x = x.as<float>();
    p.q_out = c.output(0).as<uint8_t>();
    p.scale = &scale;
    p.zero = &zero;
    p.inner = x.count();
    quantize(isa_, p, c.pool());
  }

 private:
  Isa isa_;
};

std::unique_ptr<StepKernel> make_quantize(const StepInfo& info) {
  return std::make_unique<QuantizeStep>(info, false);
}
std::unique_ptr<StepKernel> make_dequantize(const StepInfo& info) {
  return std::make_unique<QuantizeStep>(info, true);
}

const RegisterStepKernel kQuantize("cpu.quantize", make_quantize);
const RegisterStepKernel kDequantize("cpu.dequantize", make_dequantize);
const RegisterStepKernel kDynamicQuantize("cpu.dynamic_quantize",
                                          make_step_kernel<DynamicQuantizeStep>);

}  // namespace
}  // namespace planish::cpu
