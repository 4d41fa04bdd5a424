// SPDX-License-Identifier: Apache-2.0
// STFT: Fourier transforms of windows that step along a signal.
// https://onnx.ai/onnx/operators/onnx__STFT.html
#include <complex>
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/fourier.h"
#include "tensor/elements.h"

namespace planish {
namespace {

enum StftInput { kSignal, kFrameStep, kStftWindow, kFrameLength };

// The one positive value of an integer input; nullopt while unknown.
std::optional<int64_t> positive_scalar(const InferContext& c, int i, const char* name) {
  const auto value = c.integers(i);
  if (!value) return std::nullopt;
  if (value->size() != 1 || value->at(0) < 1 || value->at(0) > int64_t{1} << 40)
    c.fail(concat(name, ": expected one positive value, got ", join(*value)));
  return value->at(0);
}

void infer_stft(InferContext& c) {
  const DType dtype = check_float(c, kSignal);
  check_same_dtype_pair(c, kSignal, kStftWindow);
  for (int i : {kFrameStep, kFrameLength})
    if (c.has_input(i)) {
      check_tensor(c, i, is_index_dtype, "int32 or int64");
      check_single(c, i);
    }
  check_rank(c, kSignal, 3);
  check_rank(c, kStftWindow, 1);
  if (!c.has_rank(kSignal)) return c.set_output(0, Type::tensor(dtype));
  const Shape& x = c.shape(kSignal);
  const bool onesided = c.attributes().integer("onesided", 1) != 0;
  if (x[2].is_constant() && x[2].value() != 1 && x[2].value() != 2)
    c.fail(concat("expected 1 (real) or 2 (complex) in the last dimension, got ", to_string(x)));
  if (onesided && x[2] == Dim(2)) c.fail("onesided needs a real signal");
  Dim length = x[1];
  if (c.has_input(kFrameLength)) {
    const auto given = positive_scalar(c, kFrameLength, "frame_length");
    length = given ? Dim(*given) : c.fresh_dim();
  } else if (c.has_input(kStftWindow)) {
    length = c.has_rank(kStftWindow) ? c.shape(kStftWindow)[0] : c.fresh_dim();
  }
  if (c.has_rank(kStftWindow) && c.shape(kStftWindow)[0].is_constant() && length.is_constant() &&
      c.shape(kStftWindow)[0].value() > length.value())
    c.fail(concat("window: expected at most frame_length ", length.value(), " values, got ",
                  c.shape(kStftWindow)[0].value()));
  if (length.is_constant() && x[1].is_constant() &&
      (length.value() < 1 || length.value() > x[1].value()))
    c.fail(concat("a frame of ", length.value(), " does not fit into a signal of ", x[1].value()));
  const auto step = positive_scalar(c, kFrameStep, "frame_step");
  const Dim frames = step ? (x[1] - length).floor_div(*step) + 1 : c.fresh_dim();
  c.set_output(
      0, Type::tensor(dtype, {x[0], frames, onesided ? length.floor_div(2) + 1 : length, Dim(2)}));
}

void run_stft(KernelContext& c) {
  const Tensor& x = c.input(kSignal);
  Tensor& y = c.output(0);
  if (y.count() == 0) return;
  const int64_t size = x.dim(1), parts = x.dim(2), frames = y.dim(1), bins = y.dim(2);
  const auto step = element<int64_t>(c.input(kFrameStep), 0);
  std::vector<double> window;
  if (c.has_input(kStftWindow)) window = load<double>(c.input(kStftWindow));
  int64_t length = c.has_input(kStftWindow) ? c.input(kStftWindow).dim(0) : size;
  if (c.has_input(kFrameLength)) length = element<int64_t>(c.input(kFrameLength), 0);
  if (window.empty()) window.assign(static_cast<size_t>(length), 1);
  if (step < 1 || static_cast<int64_t>(window.size()) > length || length > size || bins > length ||
      (frames - 1) > (size - length) / step)
    c.fail("the frames do not fit into the signal");
  const std::vector<double> in = load<double>(x);
  std::vector<double> out;
  out.reserve(static_cast<size_t>(y.count()));
  std::vector<std::complex<double>> line;
  for (int64_t n = 0; n < x.dim(0); ++n)
    for (int64_t frame = 0; frame < frames; ++frame) {
      line.assign(static_cast<size_t>(length), 0);
      for (size_t k = 0; k < window.size(); ++k) {
        const double* from =
            in.data() + (n * size + frame * step + static_cast<int64_t>(k)) * parts;
        line[k] = std::complex<double>(from[0], parts == 2 ? from[1] : 0) * window[k];
      }
      fourier_transform(line, false);
      for (int64_t k = 0; k < bins; ++k) {
        out.push_back(line[static_cast<size_t>(k)].real());
        out.push_back(line[static_cast<size_t>(k)].imag());
      }
    }
  store(y, out);
}

const RegisterOp kStft({.name = "STFT",
                        .attributes = {optional("onesided", AttrKind::kInt)},
                        .inputs = {2, 4},
                        .outputs = {1, 1},
                        .infer = infer_stft,
                        .run = run_stft,
                        .tolerance = {1e-5},
                        .source = "https://onnx.ai/onnx/operators/onnx__STFT.html"});

}  // namespace
}  // namespace planish
