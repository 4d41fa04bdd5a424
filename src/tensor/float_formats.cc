// SPDX-License-Identifier: Apache-2.0
#include "tensor/float_formats.h"

#include <cmath>
#include <limits>

#include "base/str.h"
#include "planish/error.h"

namespace planish {

const FloatFormat& float_format(DType type) {
  static constexpr FloatFormat kF16{5, 10, 15, FloatSpecials::kIeee};
  static constexpr FloatFormat kBF16{8, 7, 127, FloatSpecials::kIeee};
  static constexpr FloatFormat kE4M3FN{4, 3, 7, FloatSpecials::kFn};
  static constexpr FloatFormat kE4M3FNUZ{4, 3, 8, FloatSpecials::kFnuz};
  static constexpr FloatFormat kE5M2{5, 2, 15, FloatSpecials::kIeee};
  static constexpr FloatFormat kE5M2FNUZ{5, 2, 16, FloatSpecials::kFnuz};
  static constexpr FloatFormat kE2M1{2, 1, 1, FloatSpecials::kFinite};
  switch (type) {
    case DType::kF16: return kF16;
    case DType::kBF16: return kBF16;
    case DType::kF8E4M3FN: return kE4M3FN;
    case DType::kF8E4M3FNUZ: return kE4M3FNUZ;
    case DType::kF8E5M2: return kE5M2;
    case DType::kF8E5M2FNUZ: return kE5M2FNUZ;
    case DType::kF4E2M1: return kE2M1;
    default:
      throw Error(ErrorCode::kInternal, concat(dtype_name(type), " has no small float format"));
  }
}

namespace {

uint32_t largest_finite(const FloatFormat& f) {
  const uint32_t all_ones = (1u << (f.exponent_bits + f.mantissa_bits)) - 1;
  switch (f.specials) {
    case FloatSpecials::kIeee: return all_ones - (1u << f.mantissa_bits);
    case FloatSpecials::kFn: return all_ones - 1;
    default: return all_ones;
  }
}

uint32_t nan_code(const FloatFormat& f) {
  const uint32_t sign = 1u << (f.exponent_bits + f.mantissa_bits);
  switch (f.specials) {
    case FloatSpecials::kIeee:
      return (((1u << f.exponent_bits) - 1) << f.mantissa_bits) | (1u << (f.mantissa_bits - 1));
    case FloatSpecials::kFn: return sign - 1;
    case FloatSpecials::kFnuz:
    case FloatSpecials::kFinite: return sign;  // the latter: ONNX casts NaN to -0
  }
  return 0;
}

}  // namespace

double decode_float(const FloatFormat& f, uint32_t code) {
  const uint32_t sign_bit = 1u << (f.exponent_bits + f.mantissa_bits);
  const bool negative = (code & sign_bit) != 0;
  const uint32_t magnitude = code & (sign_bit - 1);
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (f.specials == FloatSpecials::kFnuz && code == sign_bit) return kNan;
  if (f.specials == FloatSpecials::kFn && magnitude == sign_bit - 1) return kNan;
  const auto exponent = static_cast<int>(magnitude >> f.mantissa_bits);
  const uint32_t mantissa = magnitude & ((1u << f.mantissa_bits) - 1);
  if (f.specials == FloatSpecials::kIeee && exponent == (1 << f.exponent_bits) - 1) {
    if (mantissa != 0) return kNan;
    return negative ? -HUGE_VAL : HUGE_VAL;
  }
  const double v = exponent == 0 ? std::ldexp(mantissa, 1 - f.bias - f.mantissa_bits)
                                 : std::ldexp(mantissa + (1u << f.mantissa_bits),
                                              exponent - f.bias - f.mantissa_bits);
  return negative ? -v : v;
}

uint32_t encode_float(const FloatFormat& f, double value, bool saturate) {
  if (std::isnan(value)) return nan_code(f);
  const uint32_t sign = std::signbit(value) ? 1u << (f.exponent_bits + f.mantissa_bits) : 0;
  const double magnitude = std::fabs(value);
  const uint32_t largest = largest_finite(f);
  uint32_t code = 0;
  if (std::isinf(magnitude)) {
    code = largest + 1;
  } else if (magnitude != 0) {
    int exponent = std::max(std::ilogb(magnitude), 1 - f.bias);
    // Exact: a double holds more mantissa bits than any of these formats.
    auto units =
        static_cast<uint64_t>(std::nearbyint(std::ldexp(magnitude, f.mantissa_bits - exponent)));
    if (units >> (f.mantissa_bits + 1) != 0) {
      units >>= 1;
      ++exponent;
    }
    const int biased = exponent + f.bias;
    if (biased >= (1 << f.exponent_bits))
      code = largest + 1;
    else
      code = (units >> f.mantissa_bits) == 0
                 ? static_cast<uint32_t>(units)
                 : (static_cast<uint32_t>(biased) << f.mantissa_bits) +
                       static_cast<uint32_t>(units - (uint64_t{1} << f.mantissa_bits));
  }
  if (code > largest) {
    if (saturate || f.specials == FloatSpecials::kFinite)
      code = largest;
    else if (f.specials == FloatSpecials::kIeee)
      code = ((1u << f.exponent_bits) - 1) << f.mantissa_bits;
    else if (f.specials == FloatSpecials::kFnuz)
      return nan_code(f);
    else
      return sign | nan_code(f);
  }
  if (code == 0 && f.specials == FloatSpecials::kFnuz) return 0;
  return sign | code;
}

double decode_e8m0(uint8_t code) {
  if (code == 255) return std::numeric_limits<double>::quiet_NaN();
  return std::ldexp(1.0, static_cast<int>(code) - 127);
}

uint8_t encode_e8m0(double value, bool saturate, ScaleRounding rounding) {
  if (std::isnan(value)) return 255;
  const double magnitude = std::fabs(value);
  if (magnitude == 0) return 0;
  if (std::isinf(magnitude)) return saturate ? 254 : 255;
  int exponent = std::ilogb(magnitude);
  const double fraction = std::ldexp(magnitude, -exponent);  // in [1, 2)
  const bool up = rounding == ScaleRounding::kUp        ? fraction > 1
                  : rounding == ScaleRounding::kNearest ? fraction >= 1.5
                                                        : false;
  if (up) ++exponent;
  if (exponent < -127) return 0;
  if (exponent > 127) return saturate ? 254 : 255;
  return static_cast<uint8_t>(exponent + 127);
}

}  // namespace planish
