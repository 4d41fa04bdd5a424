// SPDX-License-Identifier: Apache-2.0
// DFT: the discrete Fourier transform along an axis, with real and imaginary parts in the last
// dimension.  https://onnx.ai/onnx/operators/onnx__DFT.html
#include <algorithm>
#include <complex>
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/fourier.h"
#include "ops/strides.h"
#include "tensor/elements.h"

namespace planish {
namespace {

constexpr int64_t kMaxTransform = int64_t{1} << 40;

struct DftKind {
  bool inverse, onesided;
};

template <class Context>
DftKind dft_kind(const Context& c) {
  return {c.attributes().integer("inverse", 0) != 0, c.attributes().integer("onesided", 0) != 0};
}

Dim length_of_transform(InferContext& c, const Dim& signal, const DftKind& kind) {
  if (!c.has_input(1)) return kind.inverse && kind.onesided ? (signal - 1) * 2 : signal;
  const auto given = c.integers(1);
  if (!given) return c.fresh_dim();
  if (given->size() != 1 || given->at(0) < 0 || given->at(0) > kMaxTransform)
    c.fail(concat("dft_length: expected one length from 0 on, got ", join(*given)));
  return given->at(0);
}

void infer_dft(InferContext& c) {
  const DType dtype = check_float(c, 0);
  if (c.has_input(1)) check_tensor(c, 1, is_index_dtype, "int32 or int64");
  if (c.has_input(2)) check_tensor(c, 2, is_i64, "int64");
  check_single(c, 1);
  check_single(c, 2);
  check_min_rank(c, 0, 2);
  if (!c.has_rank(0)) return c.set_output(0, Type::tensor(dtype));
  const DftKind kind = dft_kind(c);
  Shape out = c.shape(0);
  const Dim parts = out.back();
  if (parts.is_constant() && parts.value() != 1 && parts.value() != 2)
    c.fail(concat("expected 1 (real) or 2 (complex) in the last dimension, got ", to_string(out)));
  if (kind.onesided && parts == Dim(kind.inverse ? 1 : 2))
    c.fail(concat("onesided needs ", kind.inverse ? "a complex input to invert" : "a real input",
                  ", got ", to_string(out)));
  out.back() = kind.inverse && kind.onesided ? 1 : 2;
  std::optional<std::vector<int64_t>> axis = std::vector<int64_t>{-2};
  if (c.has_input(2)) axis = c.integers(2);
  if (!axis) {
    for (size_t i = 0; i + 1 < out.size(); ++i) out[i] = c.fresh_dim();
  } else {
    if (axis->size() != 1) c.fail("axis: expected one value");
    const int at = c.normalize_axis(axis->at(0), c.rank(0));
    if (at == c.rank(0) - 1) c.fail("axis: the last dimension holds the parts of complex numbers");
    Dim& dim = out[static_cast<size_t>(at)];
    dim = length_of_transform(c, dim, kind);
    check_size(c, dim, "the length of the transform");
    if (kind.onesided && !kind.inverse) dim = dim.floor_div(2) + 1;
  }
  c.set_output(0, Type::tensor(dtype, std::move(out)));
}

template <class T>
void run_dft_as(KernelContext& c) {
  const Tensor& x = c.input(0);
  Tensor& y = c.output(0);
  const DftKind kind = dft_kind(c);
  const int axis =
      c.normalize_axis(c.has_input(2) ? element<int64_t>(c.input(2), 0) : -2, x.rank());
  const int64_t size = x.dim(axis), parts = x.dim(x.rank() - 1), out_parts = y.dim(y.rank() - 1);
  int64_t length = kind.inverse && kind.onesided ? (size - 1) * 2 : size;
  if (c.has_input(1)) length = element<int64_t>(c.input(1), 0);
  const int64_t bins = y.dim(axis), outer = outer_count(x.dims(), axis),
                inner = inner_count(x.dims(), axis) / parts;
  const std::vector<T> in = load<T>(x);
  std::vector<T> out(static_cast<size_t>(y.count()), 0);
  // Of a one-sided spectrum the other side is the mirror image.
  const bool mirrors = kind.inverse && kind.onesided;
  const int64_t given = std::min(size, mirrors ? length / 2 + 1 : length);
  std::vector<std::complex<T>> line;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      line.assign(static_cast<size_t>(length), 0);
      for (int64_t k = 0; k < given; ++k) {
        const T* from = in.data() + ((o * size + k) * inner + i) * parts;
        line[static_cast<size_t>(k)] = {from[0], parts == 2 ? from[1] : 0};
      }
      if (mirrors && length > 0) {
        line[0].imag(0);
        if (length % 2 == 0) line[static_cast<size_t>(length / 2)].imag(0);
        for (int64_t k = length / 2 + 1; k < length; ++k)
          line[static_cast<size_t>(k)] = std::conj(line[static_cast<size_t>(length - k)]);
      }
      fourier_transform(line, kind.inverse);
      const T factor = kind.inverse ? 1 / static_cast<T>(length) : 1;
      for (int64_t k = 0; k < std::min(bins, length); ++k) {
        T* to = out.data() + ((o * bins + k) * inner + i) * out_parts;
        to[0] = line[static_cast<size_t>(k)].real() * factor;
        if (out_parts == 2) to[1] = line[static_cast<size_t>(k)].imag() * factor;
      }
    }
  store(y, out);
}

void run_dft(KernelContext& c) {
  if (c.output(0).count() == 0) return;
  // ONNX's test data for inverses hold what float arithmetic leaves of terms that cancel.
  if (dft_kind(c).inverse && c.input(0).dtype() == DType::kF32)
    run_dft_as<float>(c);
  else
    run_dft_as<double>(c);
}

const RegisterOp kDft({.name = "DFT",
                       .attributes = {optional("inverse", AttrKind::kInt),
                                      optional("onesided", AttrKind::kInt)},
                       .inputs = {1, 3},
                       .outputs = {1, 1},
                       .infer = infer_dft,
                       .run = run_dft,
                       .tolerance = {1e-5},
                       .source = "https://onnx.ai/onnx/operators/onnx__DFT.html"});

}  // namespace
}  // namespace planish
