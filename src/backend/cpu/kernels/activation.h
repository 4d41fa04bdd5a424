// SPDX-License-Identifier: Apache-2.0
#pragma once

// The activations of epilogue.h on vectors; for .isa.cc files. Polynomials are least-squares fits
// at Chebyshev nodes; each is good to about one unit in the last place of its own range.

#include "backend/cpu/kernels/epilogue.h"
#include "backend/cpu/kernels/vec.h"

namespace planish::cpu::PLANISH_ISA::activation {

PLANISH_INLINE Vec constant(float x) { return Vec::broadcast(x); }

// e^x; 0 below -104, infinity above 88.8; NaN stays.
PLANISH_INLINE Vec exp(Vec x) {
  x = clamp(x, constant(-104.0f), constant(89.0f));
  const VecI n = to_int(x * constant(1.44269504f));
  const Vec whole = to_float(n);
  // ln 2 in two parts, the first short enough for an exact product.
  Vec r = fnma(whole, constant(0.693145752f), x);
  r = fnma(whole, constant(1.42860677e-6f), r);
  Vec p = constant(0.00139465263f);
  p = fma(p, r, constant(0.00836921555f));
  p = fma(p, r, constant(0.0416662622f));
  p = fma(p, r, constant(0.166665155f));
  p = fma(p, r, constant(0.5f));
  p = fma(p, r * r, r) + constant(1.0f);
  // Two steps, because 2^n alone may be out of range.
  const VecI half = shift_right<1>(n);
  return scale_by_power(scale_by_power(p, half), n - half);
}

PLANISH_INLINE Vec sigmoid(Vec x) { return constant(1.0f) / (constant(1.0f) + exp(neg(x))); }

PLANISH_INLINE Vec tanh(Vec x) {
  const Vec size = abs(x);
  const Vec square = x * x;
  Vec p = constant(-0.00598469782f);
  p = fma(p, square, constant(0.0209280574f));
  p = fma(p, square, constant(-0.0538395466f));
  p = fma(p, square, constant(0.133327415f));
  p = fma(p, square, constant(-0.333333304f));
  const Vec small = fma(p * square, x, x);
  const Vec e = exp(size + size);
  const Vec large = copysign(constant(1.0f) - constant(2.0f) / (e + constant(1.0f)), x);
  return select(lt(constant(0.65f), size), large, small);
}

PLANISH_INLINE Vec erf(Vec x) {
  const Vec size = abs(x);
  const Vec square = x * x;
  Vec p = constant(-0.000569663559f);
  p = fma(p, square, constant(0.00493449673f));
  p = fma(p, square, constant(-0.0267269666f));
  p = fma(p, square, constant(0.112807879f));
  p = fma(p, square, constant(-0.376124145f));
  p = fma(p, square, constant(1.12837915f));
  const Vec small = p * x;
  // -log(1 - erf) between 1 and 4, where erf reaches 1.
  const Vec t = min_keep2(constant(4.0f), size);
  Vec q = constant(-0.00018655171f);
  q = fma(q, t, constant(0.00294894595f));
  q = fma(q, t, constant(-0.0218417071f));
  q = fma(q, t, constant(0.103111457f));
  q = fma(q, t, constant(0.638142486f));
  q = fma(q, t, constant(1.12708892f));
  q = fma(q, t, constant(0.000341962343f));
  const Vec large = copysign(constant(1.0f) - exp(neg(q)), x);
  return select(lt(constant(1.0f), size), large, small);
}

template <Activation kind>
PLANISH_INLINE Vec apply(Vec x, Vec p, Vec q) {
  if constexpr (kind == Activation::clip) {
    return clamp(x, p, q);
  } else if constexpr (kind == Activation::leaky_relu) {
    return select(lt(x, zero()), x * p, x);
  } else if constexpr (kind == Activation::sigmoid) {
    return sigmoid(x);
  } else if constexpr (kind == Activation::silu) {
    return x / (constant(1.0f) + exp(neg(x * p)));
  } else if constexpr (kind == Activation::tanh) {
    return tanh(x);
  } else if constexpr (kind == Activation::gelu_erf) {
    const Vec half = x * constant(0.5f);
    return fma(half, erf(x * constant(0.707106781f)), half);
  } else if constexpr (kind == Activation::gelu_tanh) {
    const Vec inner = fma(x * x * x, constant(0.044715f), x) * constant(0.797884561f);
    const Vec half = x * constant(0.5f);
    return fma(half, tanh(inner), half);
  } else if constexpr (kind == Activation::hard_sigmoid) {
    return clamp(fma(p, x, q), zero(), constant(1.0f));
  } else if constexpr (kind == Activation::hard_swish) {
    return x * clamp(fma(x, constant(0.166666667f), constant(0.5f)), zero(), constant(1.0f));
  } else if constexpr (kind == Activation::elu) {
    return select(lt(x, zero()), p * (exp(x) - constant(1.0f)), x);
  } else {
    return x;
  }
}

// f(x) (+ residual) on rows of contiguous columns, in place.
template <Activation kind>
inline void apply_rows(const Epilogue& e, float* c, int64_t c_row, int64_t rows, int64_t cols,
                       const float* residual) {
  const Vec p = constant(e.p), q = constant(e.q);
  for (int64_t i = 0; i < rows; ++i) {
    float* row = c + i * c_row;
    for (int64_t j = 0; j < cols; j += kLanes) {
      Vec y = apply<kind>(load_up_to(row + j, cols - j), p, q);
      if (residual != nullptr) y = y + load_up_to(residual + i * e.residual_row + j, cols - j);
      store_up_to(y, row + j, cols - j);
    }
  }
}

// The same for a kind known at run time; residual is null or points at c's counterpart.
inline void apply_rows(const Epilogue& e, float* c, int64_t c_row, int64_t rows, int64_t cols,
                       const float* residual) {
  switch (e.activation) {
    case Activation::none:
      return apply_rows<Activation::none>(e, c, c_row, rows, cols, residual);
    case Activation::clip:
      return apply_rows<Activation::clip>(e, c, c_row, rows, cols, residual);
    case Activation::leaky_relu:
      return apply_rows<Activation::leaky_relu>(e, c, c_row, rows, cols, residual);
    case Activation::sigmoid:
      return apply_rows<Activation::sigmoid>(e, c, c_row, rows, cols, residual);
    case Activation::silu:
      return apply_rows<Activation::silu>(e, c, c_row, rows, cols, residual);
    case Activation::tanh:
      return apply_rows<Activation::tanh>(e, c, c_row, rows, cols, residual);
    case Activation::gelu_erf:
      return apply_rows<Activation::gelu_erf>(e, c, c_row, rows, cols, residual);
    case Activation::gelu_tanh:
      return apply_rows<Activation::gelu_tanh>(e, c, c_row, rows, cols, residual);
    case Activation::hard_sigmoid:
      return apply_rows<Activation::hard_sigmoid>(e, c, c_row, rows, cols, residual);
    case Activation::hard_swish:
      return apply_rows<Activation::hard_swish>(e, c, c_row, rows, cols, residual);
    case Activation::elu:
      return apply_rows<Activation::elu>(e, c, c_row, rows, cols, residual);
  }
}

}  // namespace planish::cpu::PLANISH_ISA::activation
