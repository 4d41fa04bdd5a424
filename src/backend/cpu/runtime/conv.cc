// SPDX-License-Identifier: Apache-2.0
// cpu.conv, cpu.depthwise and cpu.deconv: channels-last convolutions of floats with a tail.
//
// Inputs: x [n, spatial..., c]; weights packed for the plan's instruction set; then what the
// epilogue uses. Output: y [n, spatial..., k]. Attributes: channels, groups, kernel, strides,
// dilations, pads (begin, then end) or auto_pad.
#include "backend/cpu/kernels/conv.h"

#include <algorithm>

#include "backend/cpu/kernels/depthwise.h"
#include "backend/cpu/runtime/conv_geometry.h"
#include "backend/cpu/runtime/conv_layout.h"
#include "backend/cpu/runtime/step_epilogue.h"
#include "backend/cpu/runtime/step_isa.h"
#include "base/str.h"

namespace planish::cpu {

Conv conv_geometry(const Attributes& a, int64_t in_channels, int64_t out_channels) {
  const auto& kernel = a.integers("kernel");
  const size_t spatial = kernel.size();
  auto check = [](bool ok, const char* what) {
    if (!ok) throw Error(ErrorCode::kInvalidPlan, concat("convolution: ", what));
  };
  check(spatial >= 1 && spatial <= 3, "expected 1 to 3 spatial dims");
  const auto strides = a.integers("strides", std::vector<int64_t>(spatial, 1));
  const auto dilations = a.integers("dilations", std::vector<int64_t>(spatial, 1));
  check(strides.size() == spatial && dilations.size() == spatial,
        "strides or dilations of another length");
  Conv c;
  c.in_channels = in_channels;
  c.out_channels = out_channels;
  c.groups = a.integer("groups", 1);
  constexpr int64_t kLimit = int64_t{1} << 31;
  auto positive = [&](int64_t v) { return v >= 1 && v < kLimit; };
  check(positive(in_channels) && positive(out_channels) && positive(c.groups),
        "channels or groups out of range");
  check(in_channels % c.groups == 0 && out_channels % c.groups == 0,
        "groups do not divide the channels");
  for (size_t i = 0; i < spatial; ++i) {
    const size_t slot = 3 - spatial + i;
    check(positive(kernel[i]) && positive(strides[i]) && positive(dilations[i]),
          "geometry out of range");
    c.kernel[slot] = kernel[i];
    c.stride[slot] = strides[i];
    c.dilation[slot] = dilations[i];
  }
  return c;
}

void set_pads(Conv& conv, const std::vector<int64_t>& pads) {
  const size_t spatial = pads.size() / 2;
  for (size_t i = 0; i < spatial; ++i) conv.pad[3 - spatial + i] = pads[i];
}

bool has_few_phases(const Conv& conv) {
  constexpr int64_t kMost = 1 << 16;
  return conv.stride[0] <= kMost && conv.stride[1] <= kMost && conv.stride[2] <= kMost &&
         conv.stride[0] * conv.stride[1] <= kMost &&
         conv.stride[0] * conv.stride[1] * conv.stride[2] <= kMost;
}

bool is_depthwise(const Conv& conv) {
  return conv.groups > 1 && conv.groups == conv.in_channels &&
         conv.out_channels % conv.in_channels == 0;
}

namespace {

enum class Algorithm : uint8_t { kProduct, kDepthwise, kTransposed };

int64_t packed_floats(Algorithm algorithm, Isa isa, const Conv& c) {
  switch (algorithm) {
    case Algorithm::kProduct: return conv_packed_floats(isa, c);
    case Algorithm::kDepthwise: return depthwise_packed_floats(c);
    case Algorithm::kTransposed: return deconv_packed_floats(isa, c);
  }
  return -1;
}

int64_t scratch_bytes(Algorithm algorithm, Isa isa, const Conv& c, int threads) {
  switch (algorithm) {
    case Algorithm::kProduct: return conv_scratch_bytes(isa, c, threads);
    case Algorithm::kDepthwise: return depthwise_scratch_bytes(c, threads);
    case Algorithm::kTransposed: return deconv_scratch_bytes(isa, c, threads);
  }
  return 0;
}

// Tiles are rows of pixels along the width: an image one pixel wide is taken for one that is
// turned.
void turn_narrow_image(Conv& c) {
  for (int turns = 0; turns < 2; ++turns) {
    if (c.in[2] != 1 || c.out[2] != 1 || c.kernel[2] != 1 || c.pad[2] != 0) return;
    for (int64_t(*sizes)[3] : {&c.in, &c.out, &c.kernel, &c.stride, &c.dilation, &c.pad}) {
      (*sizes)[2] = (*sizes)[1];
      (*sizes)[1] = (*sizes)[0];
      (*sizes)[0] = sizes == &c.pad ? 0 : 1;
    }
  }
}

struct ConvState final : StepState {
  Conv conv;
  Tensor blank;
  std::unique_ptr<StepEpilogue::Bound> tail;
};

class ConvStep : public StepKernel {
 public:
  ConvStep(const StepInfo& info, Algorithm algorithm)
      : isa_(step_isa(info)),
        algorithm_(algorithm),
        layout_(info, algorithm == Algorithm::kTransposed),
        epilogue_(info) {
    const Conv& c = layout_.conv();
    if (algorithm == Algorithm::kTransposed) {
      // Weights are packed for each residue of an output coordinate, for known pads.
      info.require(layout_.has_explicit_pads(), "expected explicit pads");
      info.require(has_few_phases(c), "the strides are too large");
    }
    info.require(algorithm != Algorithm::kDepthwise || is_depthwise(c),
                 "expected one group for each input channel");
    const Tensor* w = info.constant(1);
    info.require(w != nullptr && w->dtype() == DType::kF32 &&
                     w->count() == packed_floats(algorithm, isa_, c),
                 "the packed weights have another size");
  }

  StepBinding bind(const StepShapes& shapes) const override {
    auto state = std::make_unique<ConvState>();
    Conv& c = state->conv;
    c = layout_.bind(shapes);
    state->blank = ConvLayout::blank_image(shapes, c);
    if (algorithm_ != Algorithm::kTransposed) turn_narrow_image(c);
    state->tail = epilogue_.bind(shapes);
    if (algorithm_ == Algorithm::kTransposed) state->tail->set_spread();
    StepBinding binding;
    if (shapes.output(0).count() != 0)
      binding.scratch_bytes =
          static_cast<size_t>(scratch_bytes(algorithm_, isa_, c, shapes.threads()));
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& context) const override {
    if (context.output(0).count() == 0) return;
    auto& state = static_cast<ConvState&>(*context.state());
    Conv c = state.conv;
    c.x = (state.blank.defined() ? state.blank : context.input(0)).as<float>();
    c.weights = context.input(1).as<float>();
    c.y = context.output(0).as<float>();
    c.epilogue = epilogue_.at(context, *state.tail);
    void* scratch = context.scratch().data();
    switch (algorithm_) {
      case Algorithm::kProduct: return conv(isa_, c, scratch, context.pool());
      case Algorithm::kDepthwise: return depthwise(isa_, c, scratch, context.pool());
      case Algorithm::kTransposed: return deconv(isa_, c, scratch, context.pool());
    }
  }

 private:
  Isa isa_;
  Algorithm algorithm_;
  ConvLayout layout_;
  StepEpilogue epilogue_;
};

template <Algorithm algorithm>
std::unique_ptr<StepKernel> make(const StepInfo& info) {
  return std::make_unique<ConvStep>(info, algorithm);
}

const RegisterStepKernel kConv("cpu.conv", make<Algorithm::kProduct>);
const RegisterStepKernel kDepthwise("cpu.depthwise", make<Algorithm::kDepthwise>);
const RegisterStepKernel kDeconv("cpu.deconv", make<Algorithm::kTransposed>);

}  // namespace
}  // namespace planish::cpu
