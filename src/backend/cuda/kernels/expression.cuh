// SPDX-License-Identifier: Apache-2.0
// The vocabulary of ops/pointwise.def for kernels: the functions that generated expressions call,
// on float, double, the integers and truth values. Half types are computed as float.
//
// Integers wrap in their own width. Division by zero gives 0. NaN passes as ONNX's reference has
// it.
#pragma once

#include "device.cuh"

namespace planish::pointwise {

constexpr double kInf = __builtin_bit_cast(double, 0x7ff0000000000000ull);
constexpr double kNan = __builtin_bit_cast(double, 0x7ff8000000000000ull);

template <class T>
struct Kind {
  static constexpr bool is_real = false;
  static constexpr bool is_signed = static_cast<T>(-1) < static_cast<T>(0);
};
template <>
struct Kind<float> {
  static constexpr bool is_real = true;
  static constexpr bool is_signed = true;
};
template <>
struct Kind<double> {
  static constexpr bool is_real = true;
  static constexpr bool is_signed = true;
};

// A stored element as what it is computed in, and back.
template <class T>
PLANISH_DEVICE auto computed(T x) {
  if constexpr (kIsHalf<T>)
    return to_float(x);
  else if constexpr (kSame<T, boolean>)
    return x.bits != 0;
  else
    return x;
}
template <class T, class V>
PLANISH_DEVICE T stored(V x) {
  if constexpr (kSame<T, f16>)
    return to_f16(static_cast<float>(x));
  else if constexpr (kSame<T, bf16>)
    return to_bf16(static_cast<float>(x));
  else if constexpr (kSame<T, boolean>)
    return T{static_cast<u8>(x != V(0) ? 1 : 0)};
  else
    return static_cast<T>(x);
}

// A real number as an integer of few bits: rounded to nearest even, moved by the zero point, held
// within the type. NaN gives the zero point.
template <class T>
PLANISH_DEVICE T quantised(float x, float zero) {
  constexpr float kLow = static_cast<T>(-1) < static_cast<T>(0) ? -128.0f : 0.0f;
  static_assert(sizeof(T) == 1);
  float y = x != x ? zero : ::rintf(x) + zero;
  y = y < kLow ? kLow : y;
  y = y > kLow + 255.0f ? kLow + 255.0f : y;
  return static_cast<T>(static_cast<int>(y));
}

// Numbers of the expression, as constants of the type that it is computed in.
template <class T>
struct Constant {
  PLANISH_DEVICE T operator()(double value) const { return static_cast<T>(value); }
};

template <class T>
PLANISH_DEVICE bool is_nan(T a) {
  return a != a;
}
template <class T>
PLANISH_DEVICE bool truth(T a) {
  return a != T(0);
}
PLANISH_DEVICE bool logical_and(bool a, bool b) { return a && b; }
PLANISH_DEVICE bool logical_or(bool a, bool b) { return a || b; }
PLANISH_DEVICE bool logical_xor(bool a, bool b) { return a != b; }
PLANISH_DEVICE bool logical_not(bool a) { return !a; }
template <class T>
PLANISH_DEVICE bool lt(T a, T b) {
  return a < b;
}
template <class T>
PLANISH_DEVICE bool le(T a, T b) {
  return a <= b;
}
template <class T>
PLANISH_DEVICE bool gt(T a, T b) {
  return a > b;
}
template <class T>
PLANISH_DEVICE bool ge(T a, T b) {
  return a >= b;
}
template <class T>
PLANISH_DEVICE bool eq(T a, T b) {
  return a == b;
}
template <class T>
PLANISH_DEVICE bool ne(T a, T b) {
  return a != b;
}
template <class T>
PLANISH_DEVICE T select(bool m, T a, T b) {
  return m ? a : b;
}

// Unsigned arithmetic wraps; signed arithmetic goes through it.
template <class T>
PLANISH_DEVICE T add(T a, T b) {
  if constexpr (Kind<T>::is_real)
    return a + b;
  else
    return static_cast<T>(static_cast<unsigned long long>(a) + static_cast<unsigned long long>(b));
}
template <class T>
PLANISH_DEVICE T sub(T a, T b) {
  if constexpr (Kind<T>::is_real)
    return a - b;
  else
    return static_cast<T>(static_cast<unsigned long long>(a) - static_cast<unsigned long long>(b));
}
template <class T>
PLANISH_DEVICE T mul(T a, T b) {
  if constexpr (Kind<T>::is_real)
    return a * b;
  else
    return static_cast<T>(static_cast<unsigned long long>(a) * static_cast<unsigned long long>(b));
}
template <class T>
PLANISH_DEVICE T neg(T a) {
  if constexpr (Kind<T>::is_real)
    return -a;
  else
    return sub(T(0), a);
}
template <class T>
PLANISH_DEVICE T div(T a, T b) {
#if PLANISH_FAST_MATH
  if constexpr (kSame<T, float>) return divide_approx(a, b);
#endif
  if constexpr (Kind<T>::is_real) {
    return a / b;
  } else {
    if (b == T(0)) return T(0);
    if (Kind<T>::is_signed && b == static_cast<T>(-1)) return neg(a);
    return static_cast<T>(a / b);
  }
}

template <class T>
PLANISH_DEVICE T min(T a, T b) {
  return is_nan(a) ? a : is_nan(b) ? b : b < a ? b : a;
}
template <class T>
PLANISH_DEVICE T max(T a, T b) {
  return is_nan(a) ? a : is_nan(b) ? b : a < b ? b : a;
}
template <class T>
PLANISH_DEVICE T relu(T a) {
  return a < T(0) ? T(0) : a;
}
template <class T>
PLANISH_DEVICE T abs(T a) {
  if constexpr (Kind<T>::is_real) {
    return a < T(0) ? -a : a == T(0) ? T(0) : a;
  } else {
    return Kind<T>::is_signed && a < T(0) ? neg(a) : a;
  }
}
template <class T>
PLANISH_DEVICE T sign(T a) {
  if (is_nan(a)) return a;
  return a > T(0) ? T(1) : a < T(0) ? neg(T(1)) : a;
}

PLANISH_DEVICE float truncated_mod(float a, float b) { return ::fmodf(a, b); }
PLANISH_DEVICE double truncated_mod(double a, double b) { return ::fmod(a, b); }
template <class T>
PLANISH_DEVICE T truncated_mod(T a, T b) {
  if (b == T(0) || (Kind<T>::is_signed && b == static_cast<T>(-1))) return T(0);
  return static_cast<T>(a % b);
}
template <class T>
PLANISH_DEVICE T floored_mod(T a, T b) {
  const T r = truncated_mod(a, b);
  return r != T(0) && (r < T(0)) != (b < T(0)) ? add(r, b) : r;
}

PLANISH_DEVICE float pow(float a, float b) { return ::powf(a, b); }
PLANISH_DEVICE double pow(double a, double b) { return ::pow(a, b); }
// Negative powers of whole numbers are whole only for 1 and -1; others give 0.
template <class T>
PLANISH_DEVICE T pow(T a, T b) {
  if (Kind<T>::is_signed && b < T(0)) {
    if (a == T(1)) return T(1);
    if (a == static_cast<T>(-1)) return (b & 1) != 0 ? a : T(1);
    return T(0);
  }
  T result = T(1);
  T square = a;
  for (auto left = static_cast<unsigned long long>(b); left != 0; left >>= 1) {
    if ((left & 1) != 0) result = mul(result, square);
    square = mul(square, square);
  }
  return result;
}

template <class T>
PLANISH_DEVICE T bit_not(T a) {
  return static_cast<T>(~a);
}
template <class T>
PLANISH_DEVICE T bit_and(T a, T b) {
  return static_cast<T>(a & b);
}
template <class T>
PLANISH_DEVICE T bit_or(T a, T b) {
  return static_cast<T>(a | b);
}
template <class T>
PLANISH_DEVICE T bit_xor(T a, T b) {
  return static_cast<T>(a ^ b);
}
// Shifts by the width or more give 0.
template <class T>
PLANISH_DEVICE T shift_left(T a, T b) {
  const auto count = static_cast<unsigned long long>(b);
  return count > 63 ? T(0) : static_cast<T>(static_cast<unsigned long long>(a) << count);
}
template <class T>
PLANISH_DEVICE T shift_right(T a, T b) {
  const auto count = static_cast<unsigned long long>(b);
  return count > 63 ? T(0) : static_cast<T>(static_cast<unsigned long long>(a) >> count);
}

#define PLANISH_REAL(name, single, whole)                    \
  PLANISH_DEVICE float name(float a) { return ::single(a); } \
  PLANISH_DEVICE double name(double a) { return ::whole(a); }
PLANISH_REAL(floor, floorf, floor)
PLANISH_REAL(ceil, ceilf, ceil)
PLANISH_REAL(round_even, rintf, rint)
PLANISH_REAL(expm1, expm1f, expm1)
PLANISH_REAL(log, logf, log)
PLANISH_REAL(log1p, log1pf, log1p)
PLANISH_REAL(sin, sinf, sin)
PLANISH_REAL(cos, cosf, cos)
PLANISH_REAL(tan, tanf, tan)
PLANISH_REAL(asin, asinf, asin)
PLANISH_REAL(acos, acosf, acos)
PLANISH_REAL(atan, atanf, atan)
PLANISH_REAL(sinh, sinhf, sinh)
PLANISH_REAL(cosh, coshf, cosh)
PLANISH_REAL(asinh, asinhf, asinh)
PLANISH_REAL(acosh, acoshf, acosh)
PLANISH_REAL(atanh, atanhf, atanh)
#undef PLANISH_REAL

// Good to about 2^-12 relative with PLANISH_FAST_MATH: enough for results rounded to half types.
#if PLANISH_FAST_MATH
PLANISH_DEVICE float exp(float a) { return exp2_approx(a * 1.4426950408889634f); }
// tanh(a) = (1 - e) / (1 + e) with e = exp(-2 |a|), which cancels near 0: the series takes over
// there.
PLANISH_DEVICE float tanh(float a) {
  const float s = a * a;
  const float series = a * (1.0f + s * (-0.33333334f + s * (0.13333334f - s * 0.053968254f)));
  const float e = exp2_approx((a < 0.0f ? a : -a) * 2.8853900817779268f);
  const float far = (1.0f - e) * reciprocal_approx(1.0f + e);
  return s < 0.0625f ? series : a < 0.0f ? -far : far;
}
// Abramowitz and Stegun 7.1.26, off by 1.5e-7 at most; the series where that is much.
PLANISH_DEVICE float erf(float a) {
  const float x = a < 0.0f ? -a : a;
  const float s = a * a;
  const float series = a * (1.1283792f + s * (-0.37612639f + s * 0.11283792f));
  const float t = reciprocal_approx(1.0f + 0.3275911f * x);
  const float p =
      t * (0.254829592f +
           t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
  const float far = 1.0f - p * exp2_approx(s * -1.4426950408889634f);
  return s < 0.0625f ? series : a < 0.0f ? -far : far;
}
PLANISH_DEVICE float sqrt(float a) { return sqrt_approx(a); }
#else
PLANISH_DEVICE float erf(float a) { return ::erff(a); }
PLANISH_DEVICE float sqrt(float a) { return ::sqrtf(a); }
PLANISH_DEVICE float exp(float a) { return ::expf(a); }
PLANISH_DEVICE float tanh(float a) { return ::tanhf(a); }
#endif
PLANISH_DEVICE double exp(double a) { return ::exp(a); }
PLANISH_DEVICE double erf(double a) { return ::erf(a); }
PLANISH_DEVICE double sqrt(double a) { return ::sqrt(a); }
PLANISH_DEVICE double tanh(double a) { return ::tanh(a); }

template <class T>
PLANISH_DEVICE T sigmoid(T a) {
  const T e = exp(-abs(a));
#if PLANISH_FAST_MATH
  if constexpr (kSame<T, float>) return (a < 0.0f ? e : 1.0f) * reciprocal_approx(1.0f + e);
#endif
  return (a < T(0) ? e : T(1)) / (T(1) + e);
}
template <class T>
PLANISH_DEVICE T softplus(T a) {
  return relu(a) + log1p(exp(-abs(a)));
}
// tanh(softplus(a)) = n / (n + 2) with n = e^a (e^a + 2)
template <class T>
PLANISH_DEVICE T tanh_softplus(T a) {
  const T e = exp(min(a, T(40)));
  const T n = e * (e + T(2));
  return n / (n + T(2));
}

}  // namespace planish::pointwise
