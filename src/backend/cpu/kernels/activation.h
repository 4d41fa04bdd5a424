// SPDX-License-Identifier: Apache-2.0
#pragma once

// The activations of epilogue.h on vectors; for .isa.cc files.

#include "backend/cpu/kernels/epilogue.h"
#include "backend/cpu/kernels/math.h"
#include "backend/cpu/kernels/vec.h"

namespace planish::cpu::PLANISH_ISA::activation {

PLANISH_INLINE Vec constant(float x) { return Vec::broadcast(x); }

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
    return select(lt(x, zero()), p * expm1(x), x);
  } else {
    return x;
  }
}

// Whether apply_rows must run: clipping, and a residual that comes first, happen in registers.
inline bool needs_pass(const Epilogue& e) {
  return (e.activation != Activation::none && e.activation != Activation::clip) ||
         (e.residual != nullptr && e.residual_last);
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
    case Activation::none: return apply_rows<Activation::none>(e, c, c_row, rows, cols, residual);
    case Activation::clip: return apply_rows<Activation::clip>(e, c, c_row, rows, cols, residual);
    case Activation::leaky_relu:
      return apply_rows<Activation::leaky_relu>(e, c, c_row, rows, cols, residual);
    case Activation::sigmoid:
      return apply_rows<Activation::sigmoid>(e, c, c_row, rows, cols, residual);
    case Activation::silu: return apply_rows<Activation::silu>(e, c, c_row, rows, cols, residual);
    case Activation::tanh: return apply_rows<Activation::tanh>(e, c, c_row, rows, cols, residual);
    case Activation::gelu_erf:
      return apply_rows<Activation::gelu_erf>(e, c, c_row, rows, cols, residual);
    case Activation::gelu_tanh:
      return apply_rows<Activation::gelu_tanh>(e, c, c_row, rows, cols, residual);
    case Activation::hard_sigmoid:
      return apply_rows<Activation::hard_sigmoid>(e, c, c_row, rows, cols, residual);
    case Activation::hard_swish:
      return apply_rows<Activation::hard_swish>(e, c, c_row, rows, cols, residual);
    case Activation::elu: return apply_rows<Activation::elu>(e, c, c_row, rows, cols, residual);
  }
}

}  // namespace planish::cpu::PLANISH_ISA::activation
