// SPDX-License-Identifier: Apache-2.0
// onednn.conv, onednn.deconv: channels-last convolutions and transposed ones in one or two
// dimensions, with a tail.
//
// Inputs: x; weights as ONNX has them, a constant; then what the epilogue uses. Attributes as those
// of cpu.conv and cpu.deconv.
#include <algorithm>
#include <functional>
#include <optional>

#include "backend/cpu/kernels/bands.h"
#include "backend/cpu/kernels/partition.h"
#include "backend/cpu/onednn/dnnl_support.h"
#include "backend/cpu/onednn/finish.h"
#include "backend/cpu/onednn/steps.h"
#include "backend/cpu/runtime/conv_layout.h"
#include "backend/cpu/runtime/step_epilogue.h"
#include "backend/cpu/runtime/step_isa.h"
#include "runtime/thread_pool.h"

namespace planish::cpu::onednn {
namespace {

using dnnl::memory;

constexpr int64_t kFinishFloats = 32 * 1024;  // of a band that is looked at again

struct ConvState final : StepState {
  Conv conv;  // rows in slot 1, columns in slot 2
  Tensor blank;
  CallSet<Band> bands;  // of one image
  std::unique_ptr<StepEpilogue::Bound> tail;
};

bool is_pixelwise(const Conv& c) {
  for (int i = 0; i < 3; ++i)
    if (c.kernel[i] != 1 || c.stride[i] != 1 || c.pad[i] != 0 || c.in[i] != c.out[i]) return false;
  return true;
}

// All pixels of the batch as one image that is a pixel wide: any cut will do.
void make_column(Conv& c) {
  c.in[1] = c.out[1] = c.batch * c.out[1] * c.out[2];
  c.in[2] = c.out[2] = 1;
  c.batch = 1;
}

// One row of pixels becomes a column, which can be cut.
void turn_row(Conv& c) {
  if (c.out[1] != 1 || c.in[1] != 1 || c.kernel[1] != 1 || c.pad[1] != 0) return;
  for (int64_t(*sizes)[3] : {&c.in, &c.out, &c.kernel, &c.stride, &c.dilation, &c.pad})
    std::swap((*sizes)[1], (*sizes)[2]);
}

BandAxis axis_of(const Conv& c, int slot) {
  return {.in = c.in[slot],
          .out = c.out[slot],
          .kernel = c.kernel[slot],
          .stride = c.stride[slot],
          .dilation = c.dilation[slot],
          .pad = c.pad[slot]};
}

// As oneDNN counts them: out before in.
Dims weight_dims(const Conv& c) {
  const int64_t in = c.in_channels / c.groups;
  if (c.groups == 1) return {c.out_channels, in, c.kernel[1], c.kernel[2]};
  return {c.groups, c.out_channels / c.groups, in, c.kernel[1], c.kernel[2]};
}

// ONNX's layout of the weights.
memory::format_tag weight_format(const Conv& c, bool transposed) {
  using Tag = memory::format_tag;
  if (transposed) return c.groups > 1 ? Tag::giohw : Tag::iohw;
  return c.groups > 1 ? Tag::goihw : Tag::oihw;
}

// What a primitive is described by.
struct Problem {
  memory::desc src, weights, bias, dst;
  bool has_bias;
  memory::dims strides, dilates, pads, pads_end;
};

template <class Primitive>
typename Primitive::primitive_desc describe(dnnl::algorithm algorithm, const Problem& p) {
  constexpr auto kKind = dnnl::prop_kind::forward_inference;
  using Desc = typename Primitive::primitive_desc;
  if (p.has_bias)
    return Desc(cpu_engine(), kKind, algorithm, p.src, p.weights, p.bias, p.dst, p.strides,
                p.dilates, p.pads, p.pads_end, plain_attributes());
  return Desc(cpu_engine(), kKind, algorithm, p.src, p.weights, p.dst, p.strides, p.dilates, p.pads,
              p.pads_end, plain_attributes());
}

class ConvStep final : public StepKernel {
 public:
  ConvStep(const StepInfo& info, bool transposed)
      : isa_(step_isa(info)), transposed_(transposed), layout_(info, transposed), epilogue_(info) {
    info.require(layout_.spatial() <= 2, "expected one or two spatial dims");
    const Tensor* w = info.constant(1);
    info.require(w != nullptr && w->dtype() == DType::kF32 &&
                     w->count() == element_count(weight_dims(layout_.conv())),
                 "the weights have another size");
    weights_.emplace(*w);
    has_bias_ = info.attributes().integer("bias", -1) >= 0;
    finishes_ = info.attributes().integer("residual", -1) >= 0 ||
                info.attributes().has("activation") || info.attributes().has("tape_ops");
  }

  StepBinding bind(const StepShapes& shapes) const override {
    auto state = std::make_unique<ConvState>();
    state->conv = layout_.bind(shapes);
    state->blank = ConvLayout::blank_image(shapes, state->conv);
    state->tail = epilogue_.bind(shapes);
    StepBinding binding;
    if (shapes.output(0).count() != 0)
      guarded([&] {
        split(shapes, *state);
        return 0;
      });
    binding.scratch_bytes = state->bands.scratch_bytes() * static_cast<size_t>(shapes.threads());
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& context) const override {
    auto& state = static_cast<ConvState&>(*context.state());
    const Conv& c = state.conv;
    const Epilogue e = epilogue_.at(context, *state.tail);
    const auto* x = (state.blank.defined() ? state.blank : context.input(0)).as<float>();
    auto* y = context.output(0).as<float>();
    std::byte* scratch = context.scratch().data();
    const int64_t bands = state.bands.size();
    const int64_t in_row = c.in[2] * c.in_channels;
    context.pool().parallel_for(c.batch * bands, [&](int64_t i, int slot) {
      const Band& band = state.bands.part(i % bands);
      const int64_t image = i / bands;
      const float* from = x + (image * c.in[1] + band.in_row) * in_row;
      const int64_t pixel = (image * c.out[1] + band.row) * c.out[2];
      float* to = y + pixel * c.out_channels;
      guarded([&] {
        if (has_bias_)
          state.bands.run(i % bands, slot,
                          {{DNNL_ARG_SRC, from}, {DNNL_ARG_DST, to}, {DNNL_ARG_BIAS, e.bias}},
                          scratch);
        else
          state.bands.run(i % bands, slot, {{DNNL_ARG_SRC, from}, {DNNL_ARG_DST, to}}, scratch);
        return 0;
      });
      if (needs_finish(e))
        finish(isa_, e, to, c.out_channels, pixel, band.rows * c.out[2], 0, c.out_channels);
    });
  }

 private:
  void split(const StepShapes& shapes, ConvState& state) const {
    const int threads = shapes.threads();
    Conv& c = state.conv;
    if (!transposed_ && is_pixelwise(c)) make_column(c);
    turn_row(c);
    const int64_t row_floats = c.out[2] * c.out_channels;
    const double pixels =
        static_cast<double>(c.batch) *
        static_cast<double>(transposed_ ? c.in[1] * c.in[2] : c.out[1] * c.out[2]);
    const double work = pixels * static_cast<double>(element_count(weight_dims(c)));
    const int64_t parts = divide_up(wanted_tasks(work, threads), c.batch);
    int64_t rows = divide_up(c.out[1], parts);
    if (finishes_) rows = std::min(rows, std::max<int64_t>(1, kFinishFloats / row_floats));
    for (int i : {1, 2})
      require_counted(shapes, {(c.kernel[i] - 1) * c.dilation[i] + 1, c.stride[i], c.pad[i]});
    for (const Band& band : cut_rows(axis_of(c, 1), rows, transposed_)) {
      require_counted(shapes, {band.in_rows * c.in[2] * c.in_channels,
                               band.rows * c.out[2] * c.out_channels, band.pad, band.pad_end});
      state.bands.add(band, std::mem_fn(&Band::is_like),
                      [&](const Band& b) { return make_call(c, b, threads); });
    }
  }

  Call make_call(const Conv& c, const Band& band, int threads) const {
    constexpr auto kF32 = memory::data_type::f32;
    constexpr auto kPixels = memory::format_tag::nhwc;
    const Band columns = all_rows(axis_of(c, 2), transposed_);
    const Dims dims = weight_dims(c);
    const Problem problem{
        .src = memory::desc({1, c.in_channels, band.in_rows, c.in[2]}, kF32, kPixels),
        .weights = memory::desc(dims, kF32, memory::format_tag::any),
        .bias = memory::desc({c.out_channels}, kF32, memory::format_tag::x),
        .dst = memory::desc({1, c.out_channels, band.rows, c.out[2]}, kF32, kPixels),
        .has_bias = has_bias_,
        .strides = {c.stride[1], c.stride[2]},
        .dilates = {c.dilation[1] - 1, c.dilation[2] - 1},
        .pads = {band.pad, columns.pad},
        .pads_end = {band.pad_end, columns.pad_end}};
    std::vector<std::pair<int, memory::desc>> moving = {{DNNL_ARG_SRC, problem.src},
                                                        {DNNL_ARG_DST, problem.dst}};
    if (has_bias_) moving.emplace_back(DNNL_ARG_BIAS, problem.bias);
    const memory::desc plain(dims, kF32, weight_format(c, transposed_));
    const auto make = [&](const auto& desc, const dnnl::primitive& primitive) -> Call {
      return {primitive,
              moving,
              {{DNNL_ARG_WEIGHTS, weights_->get(plain, 0, desc.weights_desc())}},
              desc.scratchpad_desc(),
              threads};
    };
    if (transposed_) {
      const auto desc =
          describe<dnnl::deconvolution_forward>(dnnl::algorithm::deconvolution_direct, problem);
      return make(desc, dnnl::deconvolution_forward(desc));
    }
    const auto desc =
        describe<dnnl::convolution_forward>(dnnl::algorithm::convolution_direct, problem);
    return make(desc, dnnl::convolution_forward(desc));
  }

  Isa isa_;
  bool transposed_;
  ConvLayout layout_;
  StepEpilogue epilogue_;
  std::optional<PackedWeights> weights_;
  bool has_bias_ = false;
  bool finishes_ = false;
};

}  // namespace

std::unique_ptr<StepKernel> make_conv(const StepInfo& info) {
  return std::make_unique<ConvStep>(info, false);
}

std::unique_ptr<StepKernel> make_deconv(const StepInfo& info) {
  return std::make_unique<ConvStep>(info, true);
}

}  // namespace planish::cpu::onednn
