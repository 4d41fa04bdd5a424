// SPDX-License-Identifier: Apache-2.0
// The floating-point formats of ONNX below 32 bits: bits to double and back.
// Source: https://onnx.ai/onnx/technical/float8.html, float4.html; IEEE 754-2019; OCP MX 1.0.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace planish {

// How a format spends its topmost codes.
enum class FloatSpecials : uint8_t {
  kIeee,   // an exponent of ones: infinities and NaNs (f16, bf16, f8e5m2)
  kFn,     // all ones is NaN, no infinities (f8e4m3fn)
  kFnuz,   // the code of -0 is NaN, no infinities, no -0 (f8e4m3fnuz, f8e5m2fnuz)
  kFinite  // neither (f4e2m1)
};

struct FloatFormat {
  int exponent_bits;
  int mantissa_bits;
  int bias;
  FloatSpecials specials;

  constexpr int bits() const { return 1 + exponent_bits + mantissa_bits; }
};

// Requires one of kF16, kBF16, kF8E4M3FN, kF8E4M3FNUZ, kF8E5M2, kF8E5M2FNUZ, kF4E2M1.
const FloatFormat& float_format(DType type);

double decode_float(const FloatFormat& format, uint32_t code);
// Rounds to nearest, ties to even. Beyond the largest finite value: that value with the sign if
// `saturate`, else infinity, or NaN where the format has no infinity (kFinite always saturates).
uint32_t encode_float(const FloatFormat& format, double value, bool saturate);

// f8e8m0: powers of two without sign or zero; code 255 is NaN.
enum class ScaleRounding : uint8_t { kUp, kDown, kNearest };
double decode_e8m0(uint8_t code);
uint8_t encode_e8m0(double value, bool saturate, ScaleRounding rounding);

}  // namespace planish
