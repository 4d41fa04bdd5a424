// SPDX-License-Identifier: Apache-2.0
// cpu.byte_product: a matrix product, or a channels-last convolution, of 8-bit integers, with a
// tail.
//
// Inputs: x; weights packed for the plan's instruction set and `format`; the weights' sums (int32,
// one an output channel); the zero point of x (absent: 0); the scale of the sums (float32, one an
// output channel; absent with an int32 output); then what the epilogue uses. Output: sums, floats,
// or floats quantised by y_scale and y_zero. Attributes in_channels, out_channels, matrix (1: x is
// [..., m, k]), else a convolution's (conv.cc); format: bytes or pairs.
#include "backend/cpu/kernels/byte_product.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/runtime/conv_layout.h"
#include "backend/cpu/runtime/step_epilogue.h"
#include "backend/cpu/runtime/step_isa.h"
#include "base/str.h"

namespace planish::cpu {
namespace {

enum Input : int { kX, kWeights, kWeightSums, kXZero, kScale };

struct ByteState final : StepState {
  ByteProduct product;
  Tensor blank;
  std::unique_ptr<StepEpilogue::Bound> tail;
};

bool is_byte(DType t) { return t == DType::kU8 || t == DType::kI8; }

class ByteProductStep final : public StepKernel {
 public:
  explicit ByteProductStep(const StepInfo& info)
      : isa_(step_isa(info)), layout_(info, false), epilogue_(info) {
    const Attributes& a = info.attributes();
    info.require(layout_.conv().groups == 1, "expected one group");
    is_matrix_ = a.integer("matrix", 0) != 0;
    const std::string& format = a.text("format");
    info.require(format == "bytes" || format == "pairs", "the format is unknown");
    format_ = format == "bytes" ? ByteFormat::bytes : ByteFormat::pairs;
    if (format_ == ByteFormat::bytes) check_machine(info);
    const Tensor* w = info.constant(kWeights);
    info.require(w != nullptr && w->dtype() == DType::kU8 &&
                     w->count() == byte_packed_size(isa_, format_, layout_.conv()),
                 "the packed weights have another size");
    result_ = info.output_type(0).dtype;
    info.require(is_byte(result_) || result_ == DType::kF32 || result_ == DType::kI32,
                 "the output has another type");
    y_scale_ = static_cast<float>(a.real("y_scale", 1));
    y_zero_ = static_cast<float>(a.integer("y_zero", 0));
  }

  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& x = shapes.input(kX);
    const KnownTensor& y = shapes.output(0);
    shapes.require(is_byte(x.dtype) && y.dtype == result_ && x.rank() >= 1 &&
                       x.dims.back() == layout_.conv().in_channels && y.rank() == x.rank() &&
                       y.dims.back() == layout_.conv().out_channels,
                   "expected 8-bit data of the layer's channels");
    check_vectors(shapes);
    auto state = std::make_unique<ByteState>();
    ByteProduct& p = state->product;
    p.format = format_;
    p.x_signed = x.dtype == DType::kI8;
    p.geometry = is_matrix_ ? bind_matrix(shapes) : layout_.bind_sizes(shapes);
    if (!is_matrix_) state->blank = ConvLayout::blank_image(shapes, p.geometry);
    p.result = result_ == DType::kI32   ? ByteResult::int32
               : result_ == DType::kF32 ? ByteResult::float32
               : result_ == DType::kU8  ? ByteResult::uint8
                                        : ByteResult::int8;
    p.y_scale = y_scale_;
    p.y_zero = y_zero_;
    StepBinding binding;
    if (y.count() != 0) {
      state->tail = epilogue_.bind(shapes);
      binding.scratch_bytes = static_cast<size_t>(byte_scratch_bytes(isa_, p, shapes.threads()));
    }
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& c) const override {
    if (c.output(0).count() == 0) return;
    auto& state = static_cast<ByteState&>(*c.state());
    ByteProduct p = state.product;
    p.x = c.input(kX).as<uint8_t>();
    p.weights = c.input(kWeights).data();
    if (c.has_input(kWeightSums)) p.weight_sums = c.input(kWeightSums).as<int32_t>();
    if (c.has_input(kXZero)) {
      const uint8_t zero = *c.input(kXZero).as<uint8_t>();
      p.x_zero = p.x_signed ? static_cast<int8_t>(zero) : zero;
    }
    if (state.blank.defined()) {
      std::memset(state.blank.data(), p.x_zero, state.blank.bytes());
      p.x = state.blank.as<uint8_t>();
    }
    if (c.has_input(kScale)) p.scale = c.input(kScale).as<float>();
    p.epilogue = epilogue_.at(c, *state.tail);
    p.y = c.output(0).data();
    run_byte_product(isa_, p, c.scratch().data(), c.pool());
  }

 private:
  // The products of bytes need an instruction that the plan's instruction set does not promise.
  static void check_machine(const StepInfo& info) {
    info.require(step_isa(info) == Isa::avx512, "the format needs avx512");
    if (!has_vnni())
      throw Error(ErrorCode::kVersionMismatch,
                  "the plan was made for a processor with AVX512_VNNI, this one has none",
                  info.step().node, "build the model again on this machine");
  }

  void check_vectors(const StepShapes& shapes) const {
    const int64_t n = layout_.conv().out_channels;
    const KnownTensor& sums = shapes.input(kWeightSums);
    const KnownTensor& zero = shapes.input(kXZero);
    const KnownTensor& scale = shapes.input(kScale);
    shapes.require(sums.present() ? sums.dtype == DType::kI32 && sums.count() == n
                                  : format_ == ByteFormat::pairs,
                   "expected a sum of weights for each output channel");
    if (zero.present())
      shapes.require(zero.dtype == shapes.input(kX).dtype && zero.count() == 1,
                     "expected one zero point of the data's type");
    shapes.require(
        scale.present() ? scale.dtype == DType::kF32 && scale.count() == n : result_ == DType::kI32,
        "expected a scale for each output channel");
  }

  Conv bind_matrix(const StepShapes& shapes) const {
    Conv c = layout_.conv();
    const KnownTensor& x = shapes.input(kX);
    const KnownTensor& y = shapes.output(0);
    shapes.require(std::equal(x.dims.begin(), x.dims.end() - 1, y.dims.begin()),
                   "the output has other rows");
    c.in[2] = c.out[2] = element_count(y.dims.first(y.dims.size() - 1));
    c.x_pixel = c.in_channels;
    c.x_batch = c.in[2] * c.x_pixel;
    return c;
  }

  Isa isa_;
  ConvLayout layout_;
  StepEpilogue epilogue_;
  bool is_matrix_ = false;
  ByteFormat format_ = ByteFormat::pairs;
  DType result_ = DType::kF32;
  float y_scale_ = 1, y_zero_ = 0;
};

const RegisterStepKernel kByteProduct("cpu.byte_product", make_step_kernel<ByteProductStep>);

}  // namespace
}  // namespace planish::cpu
