// SPDX-License-Identifier: Apache-2.0
#pragma once

// The SSE2 body of vec.h, for any x86-64; include vec.h instead. It has no fused multiply-add:
// `fma` rounds twice, so its results differ from the other two bodies in the last place.

namespace planish::cpu::PLANISH_ISA {

// All bits of a true lane are set.
struct Mask {
  __m128 m;
};

struct Vec {
  static constexpr int kLanes = 4;
  __m128 v;

  PLANISH_INLINE static Vec load(const float* p) { return {_mm_loadu_ps(p)}; }
  PLANISH_INLINE static Vec load_part(const float* p, int n) {
    alignas(16) float lane[kLanes] = {};
    for (int i = 0; i < n; ++i) lane[i] = p[i];
    return {_mm_load_ps(lane)};
  }
  PLANISH_INLINE static Vec broadcast(float x) { return {_mm_set1_ps(x)}; }
  // Lane i is p[i * stride].
  PLANISH_INLINE static Vec gather(const float* p, int64_t stride) {
    return {_mm_setr_ps(p[0], p[stride], p[2 * stride], p[3 * stride])};
  }
  PLANISH_INLINE void store(float* p) const { _mm_storeu_ps(p, v); }
  PLANISH_INLINE void store_part(float* p, int n) const {
    alignas(16) float lane[kLanes];
    _mm_store_ps(lane, v);
    for (int i = 0; i < n; ++i) p[i] = lane[i];
  }
};

struct VecI {
  __m128i v;

  PLANISH_INLINE static VecI load(const int32_t* p) {
    return {_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))};
  }
  PLANISH_INLINE static VecI broadcast(int32_t x) { return {_mm_set1_epi32(x)}; }
  PLANISH_INLINE void store(int32_t* p) const {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v);
  }
};

PLANISH_INLINE Vec operator+(Vec a, Vec b) { return {_mm_add_ps(a.v, b.v)}; }
PLANISH_INLINE Vec operator-(Vec a, Vec b) { return {_mm_sub_ps(a.v, b.v)}; }
PLANISH_INLINE Vec operator*(Vec a, Vec b) { return {_mm_mul_ps(a.v, b.v)}; }
PLANISH_INLINE Vec operator/(Vec a, Vec b) { return {_mm_div_ps(a.v, b.v)}; }
// a * b + c
PLANISH_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm_add_ps(_mm_mul_ps(a.v, b.v), c.v)}; }
// c - a * b
PLANISH_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {_mm_sub_ps(c.v, _mm_mul_ps(a.v, b.v))}; }
PLANISH_INLINE Vec max_keep2(Vec a, Vec b) { return {_mm_max_ps(a.v, b.v)}; }
PLANISH_INLINE Vec min_keep2(Vec a, Vec b) { return {_mm_min_ps(a.v, b.v)}; }
PLANISH_INLINE Vec sqrt(Vec a) { return {_mm_sqrt_ps(a.v)}; }

PLANISH_INLINE Vec bit_and(Vec a, Vec b) { return {_mm_and_ps(a.v, b.v)}; }
PLANISH_INLINE Vec bit_or(Vec a, Vec b) { return {_mm_or_ps(a.v, b.v)}; }
PLANISH_INLINE Vec bit_xor(Vec a, Vec b) { return {_mm_xor_ps(a.v, b.v)}; }
// ~a & b
PLANISH_INLINE Vec bit_andnot(Vec a, Vec b) { return {_mm_andnot_ps(a.v, b.v)}; }

PLANISH_INLINE Mask lt(Vec a, Vec b) { return {_mm_cmplt_ps(a.v, b.v)}; }
PLANISH_INLINE Mask le(Vec a, Vec b) { return {_mm_cmple_ps(a.v, b.v)}; }
PLANISH_INLINE Mask eq(Vec a, Vec b) { return {_mm_cmpeq_ps(a.v, b.v)}; }
PLANISH_INLINE Mask ne(Vec a, Vec b) { return {_mm_cmpneq_ps(a.v, b.v)}; }
PLANISH_INLINE Mask mask_and(Mask a, Mask b) { return {_mm_and_ps(a.m, b.m)}; }
PLANISH_INLINE Mask mask_or(Mask a, Mask b) { return {_mm_or_ps(a.m, b.m)}; }
PLANISH_INLINE Mask mask_not(Mask a) {
  return {_mm_xor_ps(a.m, _mm_castsi128_ps(_mm_set1_epi32(-1)))};
}
PLANISH_INLINE bool any(Mask a) { return _mm_movemask_ps(a.m) != 0; }
// Where m: a, else b.
PLANISH_INLINE Vec select(Mask m, Vec a, Vec b) {
  return {_mm_or_ps(_mm_and_ps(m.m, a.v), _mm_andnot_ps(m.m, b.v))};
}

PLANISH_INLINE VecI operator+(VecI a, VecI b) { return {_mm_add_epi32(a.v, b.v)}; }
PLANISH_INLINE VecI operator-(VecI a, VecI b) { return {_mm_sub_epi32(a.v, b.v)}; }
PLANISH_INLINE VecI operator&(VecI a, VecI b) { return {_mm_and_si128(a.v, b.v)}; }
PLANISH_INLINE VecI operator|(VecI a, VecI b) { return {_mm_or_si128(a.v, b.v)}; }
PLANISH_INLINE VecI operator^(VecI a, VecI b) { return {_mm_xor_si128(a.v, b.v)}; }
template <int n>
PLANISH_INLINE VecI shift_left(VecI a) {
  return {_mm_slli_epi32(a.v, n)};
}
// The sign is repeated.
template <int n>
PLANISH_INLINE VecI shift_right(VecI a) {
  return {_mm_srai_epi32(a.v, n)};
}
// Rounds to nearest, ties to even; out of range and NaN give INT32_MIN.
PLANISH_INLINE VecI to_int(Vec a) { return {_mm_cvtps_epi32(a.v)}; }
PLANISH_INLINE Vec to_float(VecI a) { return {_mm_cvtepi32_ps(a.v)}; }
PLANISH_INLINE Vec bits_to_float(VecI a) { return {_mm_castsi128_ps(a.v)}; }
PLANISH_INLINE VecI float_to_bits(Vec a) { return {_mm_castps_si128(a.v)}; }

// SSE2 has no rounding instruction: values below 2^23 go through an integer and back, the rest are
// whole already (or NaN or infinite) and pass. The sign of zero is kept.
PLANISH_INLINE Vec keep_whole(Vec a, Vec rounded) {
  const Vec sign = Vec{_mm_set1_ps(-0.0f)};
  const Mask small = lt(bit_andnot(sign, a), Vec{_mm_set1_ps(8388608.0f)});
  return select(small, bit_or(bit_andnot(sign, rounded), bit_and(sign, a)), a);
}
PLANISH_INLINE Vec trunc(Vec a) { return keep_whole(a, {_mm_cvtepi32_ps(_mm_cvttps_epi32(a.v))}); }
// To the nearest integer, ties to even.
PLANISH_INLINE Vec round_even(Vec a) { return keep_whole(a, to_float(to_int(a))); }
PLANISH_INLINE Vec floor(Vec a) {
  const Vec t{_mm_cvtepi32_ps(_mm_cvttps_epi32(a.v))};
  const Vec one = Vec::broadcast(1.0f);
  return keep_whole(a, t - bit_and(Vec{lt(a, t).m}, one));
}
PLANISH_INLINE Vec ceil(Vec a) {
  const Vec t{_mm_cvtepi32_ps(_mm_cvttps_epi32(a.v))};
  const Vec one = Vec::broadcast(1.0f);
  return keep_whole(a, t + bit_and(Vec{lt(t, a).m}, one));
}

// The sum of the lanes, pairwise in a fixed order.
PLANISH_INLINE float sum(Vec a) {
  const __m128 c = _mm_add_ps(a.v, _mm_movehl_ps(a.v, a.v));
  return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
}

}  // namespace planish::cpu::PLANISH_ISA
