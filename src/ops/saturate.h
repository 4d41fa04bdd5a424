// SPDX-License-Identifier: Apache-2.0
// Rounding and clamping into integer types, as quantisation and Resize want it.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "tensor/elements.h"
#include "tensor/tensor.h"

namespace planish {

struct IntegerLimits {
  double least;
  double most;
};

// Requires an integer type. 64-bit limits are the largest doubles inside the type.
inline IntegerLimits integer_limits(DType type) {
  const int bits = dtype_bits(type);
  if (dtype_class(type) == DTypeClass::kUnsigned)
    return {0, bits == 64 ? 0x1.fffffffffffffp63 : std::ldexp(1, bits) - 1};
  return {-std::ldexp(1, bits - 1),
          bits == 64 ? 0x1.fffffffffffffp62 : std::ldexp(1, bits - 1) - 1};
}

// Rounds half to even and clamps; NaN becomes zero.
inline double saturate(double v, const IntegerLimits& limits) {
  if (std::isnan(v)) return 0;
  v = std::nearbyint(v);
  return v < limits.least ? limits.least : v > limits.most ? limits.most : v;
}

// Stores [first, first + n), rounded and clamped where the type is an integer.
inline void store_saturated(Tensor& out, int64_t first, int64_t n, double* values) {
  if (is_integer(out.dtype())) {
    const IntegerLimits limits = integer_limits(out.dtype());
    for (int64_t i = 0; i < n; ++i) values[i] = saturate(values[i], limits);
  }
  store<double>(out, first, n, values);
}

}  // namespace planish
