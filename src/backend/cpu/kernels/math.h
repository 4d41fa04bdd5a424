// SPDX-License-Identifier: Apache-2.0
#pragma once

// Elementary functions on Vec. Unless said otherwise the error is at most 4 units in the last place
// over the whole range, denormal results included, and NaN, infinities and the sign of zero follow
// C's libm. Polynomials are minimax fits on the interval that the reduction above them leaves.
//
// The plain body of vec.h rounds `fma` twice, so results differ between instruction sets in the
// last places.

#include <math.h>

#include "backend/cpu/kernels/vec.h"

namespace planish::cpu::PLANISH_ISA {

inline constexpr float kInfinity = __builtin_inff();
inline constexpr float kQuietNan = __builtin_nanf("");

// c[0] + c[1] x + c[2] x^2 + ...
template <int n>
PLANISH_INLINE Vec polynomial(Vec x, const float (&c)[n]) {
  Vec y = Vec::broadcast(c[n - 1]);
#pragma GCC unroll 16
  for (int i = n - 2; i >= 0; --i) y = fma(y, x, Vec::broadcast(c[i]));
  return y;
}

PLANISH_INLINE Vec is_zero_or(Vec x, Vec otherwise) { return select(eq(x, zero()), x, otherwise); }

// 1 where true, 0 where false.
PLANISH_INLINE Vec indicator(Mask m) { return select(m, Vec::broadcast(1.0f), zero()); }

PLANISH_INLINE Vec rsqrt(Vec x) { return Vec::broadcast(1.0f) / sqrt(x); }

// 1 above zero, -1 below, 0 at either zero.
PLANISH_INLINE Vec sign(Vec x) {
  const Vec unit = copysign(Vec::broadcast(1.0f), x);
  return select(ne(x, x), x, select(eq(x, zero()), zero(), unit));
}

// Exponential.

struct ExpParts {
  Vec n;       // whole power of two
  Vec excess;  // e^r - 1, |r| <= ln(2) / 2
};

// x = n ln 2 + r. The high part of ln 2 has 9 bits, so that n times it is exact without fma.
PLANISH_INLINE ExpParts exp_parts(Vec x) {
  const Vec n = round_even(x * Vec::broadcast(1.44269504f));
  Vec r = fnma(n, Vec::broadcast(0.693359375f), x);
  r = fnma(n, Vec::broadcast(-2.12194440e-4f), r);
  const Vec q = polynomial(r, {0.5f, 0.16666513681411743f, 0.04166644811630249f,
                               0.008369525894522667f, 0.001393664162606001f});
  return {n, fma(r * r, q, r)};
}

PLANISH_INLINE Vec exp(Vec x) {
  const Vec one = Vec::broadcast(1.0f);
  // Beyond these the result is 0 or infinite; NaN passes.
  const Vec bounded = clamp(x, Vec::broadcast(-104.0f), Vec::broadcast(89.0f));
  const ExpParts parts = exp_parts(bounded);
  const Vec y = one + parts.excess;
#if defined(__AVX512F__)
  return {_mm512_scalef_ps(y.v, parts.n.v)};
#else
  // Two factors, since 2^n alone may overflow or be denormal.
  const VecI n = to_int(parts.n);
  const VecI half = shift_right<1>(n);
  return scale_by_power(scale_by_power(y, half), n - half);
#endif
}

// e^x - 1 without cancellation.
PLANISH_INLINE Vec expm1(Vec x) {
  const Vec bounded = clamp(x, Vec::broadcast(-20.0f), Vec::broadcast(89.0f));
  const ExpParts parts = exp_parts(bounded);
  // Half of 2^n, which exists for n = 128 too.
  const Vec half = Vec::broadcast(0.5f);
  const Vec s = scale_by_power(Vec::broadcast(1.0f), to_int(parts.n) - VecI::broadcast(1));
  const Vec y = fma(s, parts.excess, s - half);
  return is_zero_or(x, y + y);
}

// Logarithm.

// Of x > 0, finite.
PLANISH_INLINE Vec log_positive(Vec x) {
  const Mask tiny = lt(x, Vec::broadcast(1.17549435e-38f));
  x = select(tiny, x * Vec::broadcast(8388608.0f), x);
  const Vec bias = select(tiny, Vec::broadcast(-23.0f), zero());
  // The exponent is counted so that the mantissa lies in [sqrt(1/2), sqrt(2)).
  const VecI bits = float_to_bits(x);
  const VecI exponent = shift_right<23>(bits - VecI::broadcast(0x3f3504f3));
  const Vec m = bits_to_float(bits - shift_left<23>(exponent));
  const Vec e = to_float(exponent) + bias;
  const Vec f = m - Vec::broadcast(1.0f);
  const Vec f2 = f * f;
  const Vec r = polynomial(
      f, {0.33333319425582886f, -0.25000691413879395f, 0.20002131164073944f, -0.16628096997737885f,
          0.14185260236263275f, -0.13100872933864594f, 0.1284896284341812f, -0.07892556488513947f});
  Vec y = f2 * f * r;
  y = fma(e, Vec::broadcast(-2.12194440e-4f), y);
  y = fnma(f2, Vec::broadcast(0.5f), y);
  y = f + y;
  return fma(e, Vec::broadcast(0.693359375f), y);
}

PLANISH_INLINE Vec log(Vec x) {
  const Vec inf = Vec::broadcast(kInfinity);
  Vec y = log_positive(x);
  y = select(eq(x, inf), inf, y);
  y = select(eq(x, zero()), Vec::broadcast(-kInfinity), y);
  return select(le(zero(), x), y, Vec::broadcast(kQuietNan));
}

// log(1 + x): the rounding of 1 + x is made good to first order.
PLANISH_INLINE Vec log1p(Vec x) {
  const Vec one = Vec::broadcast(1.0f);
  const Vec u = one + x;
  const Vec y = log(u) + (x - (u - one)) / u;
  const Mask edge = mask_or(eq(u, zero()), eq(u, Vec::broadcast(kInfinity)));
  return is_zero_or(x, select(edge, log(u), y));
}

// Functions of the exponential.

PLANISH_INLINE Vec sigmoid(Vec x) {
  const Vec one = Vec::broadcast(1.0f);
  const Vec e = exp(neg(abs(x)));
  return select(lt(x, zero()), e, one) / (one + e);
}

PLANISH_INLINE Vec tanh(Vec x) {
  const Vec a = min_keep2(Vec::broadcast(10.0f), abs(x));
  const Vec t = expm1(a + a);
  return copysign(t / (t + Vec::broadcast(2.0f)), x);
}

PLANISH_INLINE Vec softplus(Vec x) { return relu(x) + log1p(exp(neg(abs(x)))); }

PLANISH_INLINE Vec sinh(Vec x) {
  const Vec half = Vec::broadcast(0.5f);
  const Vec a = abs(x);
  const Vec t = expm1(min_keep2(Vec::broadcast(40.0f), a));
  const Vec near = half * (t + t / (t + Vec::broadcast(1.0f)));
  const Vec root = exp(half * a);
  const Vec far = half * root * root;
  return copysign(select(lt(a, Vec::broadcast(20.0f)), near, far), x);
}

PLANISH_INLINE Vec cosh(Vec x) {
  const Vec half = Vec::broadcast(0.5f);
  const Vec a = abs(x);
  const Vec e = exp(min_keep2(Vec::broadcast(40.0f), a));
  const Vec near = half * (e + Vec::broadcast(1.0f) / e);
  const Vec root = exp(half * a);
  return select(lt(a, Vec::broadcast(20.0f)), near, half * root * root);
}

PLANISH_INLINE Vec asinh(Vec x) {
  const Vec one = Vec::broadcast(1.0f);
  const Vec a = abs(x);
  const Mask large = lt(Vec::broadcast(1e9f), a);
  const Vec b = select(large, one, a);
  const Vec b2 = b * b;
  const Vec near = log1p(b + b2 / (one + sqrt(one + b2)));
  return copysign(select(large, log(a) + Vec::broadcast(0.693147182f), near), x);
}

PLANISH_INLINE Vec acosh(Vec x) {
  const Vec one = Vec::broadcast(1.0f);
  const Mask large = lt(Vec::broadcast(1e9f), x);
  const Vec t = select(large, one, x) - one;
  const Vec near = log1p(t + sqrt(t + t + t * t));
  const Vec y = select(large, log(x) + Vec::broadcast(0.693147182f), near);
  return select(lt(x, one), Vec::broadcast(kQuietNan), y);
}

PLANISH_INLINE Vec atanh(Vec x) {
  const Vec one = Vec::broadcast(1.0f);
  const Vec a = abs(x);
  const Vec y = Vec::broadcast(0.5f) * log1p((a + a) / (one - a));
  return copysign(y, x);
}

// 1 - e^g(|x|) far out, x + x P(x^2) near zero.
PLANISH_INLINE Vec erf(Vec x) {
  const Vec a = abs(x);
  const Vec s = a * a;
  const Vec near =
      fma(x,
          polynomial(s, {0.12837915122509003f, -0.37612494826316833f, 0.11281789839267731f,
                         -0.026764780282974243f, 0.004989548120647669f, -0.0005968660698272288f}),
          x);
  const Vec t = min_keep2(Vec::broadcast(4.0f), a);
  const Vec g = polynomial(t, {0.0001759180158842355f, -1.1295210123062134f, -0.6333343386650085f,
                               -0.10829418152570724f, 0.025128677487373352f, -0.004174614325165749f,
                               0.0004352005198597908f, -2.1159039533813484e-05f});
  const ExpParts parts = exp_parts(g);
  const Vec e = scale_by_power(Vec::broadcast(1.0f) + parts.excess, to_int(parts.n));
  const Vec far = copysign(Vec::broadcast(1.0f) - e, x);
  return select(lt(a, Vec::broadcast(0.93f)), near, select(ne(x, x), x, far));
}

// Trigonometry.

struct Quadrant {
  Vec r;       // within [-pi/4, pi/4]
  VecI which;  // multiples of pi/2 that were taken away, modulo 4
};

// Angles up to this go through the reduction below, larger ones (and NaN) through libm.
inline constexpr float kMaxVectorAngle = 1.0e6f;

// x = k pi/2 + r in double precision; the high part of pi/2 has 33 bits, so that k times it is
// exact.
PLANISH_INLINE Quadrant reduce_angle(Vec x) {
  constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to whole numbers
  alignas(64) float lane[kLanes];
  alignas(64) int32_t which[kLanes];
  x.store(lane);
  for (int i = 0; i < kLanes; ++i) {
    const double d = lane[i];
    const double k = d * 0.6366197723675814 + kMagic;
    const double n = k - kMagic;
    which[i] = static_cast<int32_t>(__builtin_bit_cast(uint64_t, k) & 3);
    lane[i] = static_cast<float>((d - n * 1.5707963267341256) - n * 6.077100506506192e-11);
  }
  return {Vec::load(lane), VecI::load(which)};
}

PLANISH_INLINE Vec sin_near_zero(Vec r) {
  const Vec z = r * r;
  const Vec p = polynomial(z, {-0.1666666716337204f, 0.00833338126540184f, -0.0001985384151339531f,
                               2.8401882445905358e-06f});
  return fma(r * z, p, r);
}

PLANISH_INLINE Vec cos_near_zero(Vec r) {
  const Vec z = r * r;
  const Vec p =
      polynomial(z, {0.041666653007268906f, -0.0013887613313272595f, 2.4462195142405108e-05f});
  return fma(z * z, p, fnma(Vec::broadcast(0.5f), z, Vec::broadcast(1.0f)));
}

PLANISH_INLINE Mask odd_quadrant(VecI which) {
  return ne(to_float(which & VecI::broadcast(1)), zero());
}

template <float (*libm)(float)>
PLANISH_INLINE Vec by_libm(Vec x) {
  alignas(64) float lane[kLanes];
  x.store(lane);
  for (int i = 0; i < kLanes; ++i) lane[i] = libm(lane[i]);
  return Vec::load(lane);
}

PLANISH_INLINE bool any_large_angle(Vec x) {
  return any(mask_not(le(abs(x), Vec::broadcast(kMaxVectorAngle))));
}

// sin(x + turn pi/2)
PLANISH_INLINE Vec sin_turned(Vec x, int turn) {
  const Quadrant q = reduce_angle(x);
  const VecI which = q.which + VecI::broadcast(turn);
  const Vec y = select(odd_quadrant(which), cos_near_zero(q.r), sin_near_zero(q.r));
  const VecI flip = shift_left<30>(which & VecI::broadcast(2));
  return bit_xor(y, bits_to_float(flip));
}

PLANISH_INLINE Vec sin(Vec x) {
  if (any_large_angle(x)) return by_libm<::sinf>(x);
  return is_zero_or(x, sin_turned(x, 0));
}

PLANISH_INLINE Vec cos(Vec x) {
  if (any_large_angle(x)) return by_libm<::cosf>(x);
  return sin_turned(x, 1);
}

PLANISH_INLINE Vec tan(Vec x) {
  if (any_large_angle(x)) return by_libm<::tanf>(x);
  const Quadrant q = reduce_angle(x);
  const Vec s = sin_near_zero(q.r);
  const Vec c = cos_near_zero(q.r);
  const Mask odd = odd_quadrant(q.which);
  return is_zero_or(x, select(odd, neg(c), s) / select(odd, s, c));
}

PLANISH_INLINE Vec atan(Vec x) {
  const Vec one = Vec::broadcast(1.0f);
  const Vec a = abs(x);
  const Mask steep = lt(one, a);
  const Vec t = select(steep, one / a, a);
  const Vec s = t * t;
  const Vec p =
      polynomial(s, {-0.3333331048488617f, 0.19998866319656372f, -0.14267447590827942f,
                     0.10968261957168579f, -0.08448803424835205f, 0.05871136859059334f,
                     -0.03191005066037178f, 0.011299092322587967f, -0.0018779172096401453f});
  const Vec y = fma(t * s, p, t);
  return copysign(select(steep, Vec::broadcast(1.57079637f) - y, y), x);
}

// asin of a in [0, 1/2]
PLANISH_INLINE Vec asin_near_zero(Vec a) {
  const Vec z = a * a;
  const Vec p = polynomial(z, {0.16666662693023682f, 0.07500376552343369f, 0.04453784227371216f,
                               0.03165334463119507f, 0.014967387542128563f, 0.036833371967077255f});
  return fma(a * z, p, a);
}

// asin a = pi/2 - 2 asin(sqrt((1 - a) / 2)) above one half.
PLANISH_INLINE Vec asin(Vec x) {
  const Vec half = Vec::broadcast(0.5f);
  const Vec a = abs(x);
  const Mask large = lt(half, a);
  const Vec y = asin_near_zero(select(large, sqrt(fnma(half, a, half)), a));
  return copysign(select(large, fnma(Vec::broadcast(2.0f), y, Vec::broadcast(1.57079637f)), y), x);
}

PLANISH_INLINE Vec acos(Vec x) {
  const Vec half = Vec::broadcast(0.5f);
  const Vec a = abs(x);
  const Mask large = lt(half, a);
  const Vec y = asin_near_zero(select(large, sqrt(fnma(half, a, half)), a));
  const Vec twice = y + y;
  const Vec outer = select(lt(x, zero()), Vec::broadcast(3.14159274f) - twice, twice);
  // pi/2 in two parts: the second rescues the last place near x = 0.
  const Vec inner = Vec::broadcast(1.57079637f) - (copysign(y, x) + Vec::broadcast(4.37113883e-8f));
  return select(large, outer, inner);
}

// Power.

// x^y for x > 0 finite, through 2^(y log2 x) in double precision.
PLANISH_INLINE Vec pow_positive(Vec x, Vec y) {
  constexpr double kMagic = 6755399441055744.0;
  constexpr uint64_t kSqrtHalf = 0x3fe6a09e667f3bcdULL;
  constexpr uint64_t kBias = 2048;  // keeps the exponent count positive
  constexpr uint64_t kTwo52 = 0x4330000000000000ULL;
  alignas(64) float base[kLanes];
  alignas(64) float power[kLanes];
  x.store(base);
  y.store(power);
  for (int i = 0; i < kLanes; ++i) {
    const uint64_t bits = __builtin_bit_cast(uint64_t, static_cast<double>(base[i]));
    const uint64_t count = (bits - kSqrtHalf + (kBias << 52)) >> 52;
    // An integer below 2^52 in the low bits of 2^52's representation is that integer plus 2^52.
    const double e = __builtin_bit_cast(double, count | kTwo52) - (4503599627370496.0 + kBias);
    const double m = __builtin_bit_cast(double, bits - ((count - kBias) << 52));
    const double s = (m - 1.0) / (m + 1.0);
    const double z = s * s;
    double p = 0.225645264488866;
    p = p * z + 0.21964960944564474;
    p = p * z + 0.2623868265879168;
    p = p * z + 0.3205974499368039;
    p = p * z + 0.4121985974245531;
    p = p * z + 0.5770780162860516;
    p = p * z + 0.9617966939261064;
    p = p * z + 2.8853900817779268;
    const double t = (e + s * p) * power[i];
    power[i] = static_cast<float>(t);
    const double k = t + kMagic;
    const double f = t - (k - kMagic);
    double q = 1.326413247179646e-06;
    q = q * f + 1.5310310967549478e-05;
    q = q * f + 0.00015403411269121746;
    q = q * f + 0.0013333449696877177;
    q = q * f + 0.009618129229169773;
    q = q * f + 0.0555041094211666;
    q = q * f + 0.2402265069546344;
    q = q * f + 0.6931471805457048;
    q = q * f + 1.0000000000000273;
    const uint64_t scale = (__builtin_bit_cast(uint64_t, k) + 1023) << 52;
    base[i] = static_cast<float>(q * __builtin_bit_cast(double, scale));
  }
  // Outside of these the scale above is meaningless and the result is known.
  const Vec t = Vec::load(power);
  const Vec r = select(lt(t, Vec::broadcast(-160.0f)), zero(), Vec::load(base));
  return select(lt(Vec::broadcast(160.0f), t), Vec::broadcast(kInfinity), r);
}

PLANISH_INLINE Vec pow(Vec x, Vec y) {
  const Vec one = Vec::broadcast(1.0f);
  const Vec inf = Vec::broadcast(kInfinity);
  const Vec nan = Vec::broadcast(kQuietNan);
  const Vec a = abs(x);
  const Mask y_below = lt(y, zero());
  Vec r = pow_positive(a, y);
  r = select(eq(a, zero()), select(y_below, inf, zero()), r);
  r = select(eq(a, inf), select(y_below, zero(), inf), r);
  r = select(eq(a, one), one, r);
  const Vec half_y = y * Vec::broadcast(0.5f);
  const Mask whole = eq(trunc(y), y);
  const Mask odd = mask_and(whole, mask_and(ne(trunc(half_y), half_y), lt(abs(y), inf)));
  r = select(odd, copysign(r, x), r);
  const Mask undefined = mask_and(mask_and(lt(x, zero()), lt(a, inf)), mask_not(whole));
  r = select(mask_or(undefined, mask_or(ne(x, x), ne(y, y))), nan, r);
  return select(mask_or(eq(x, one), eq(y, zero())), one, r);
}

// The remainder of division towards zero, with the sign of a.
PLANISH_INLINE Vec fmod(Vec a, Vec b) {
  alignas(64) float x[kLanes];
  alignas(64) float y[kLanes];
  a.store(x);
  b.store(y);
  for (int i = 0; i < kLanes; ++i) x[i] = ::fmodf(x[i], y[i]);
  return Vec::load(x);
}

}  // namespace planish::cpu::PLANISH_ISA
