// SPDX-License-Identifier: Apache-2.0
#pragma once

// The AVX2 body of vec.h; include vec.h instead.

namespace planish::cpu::PLANISH_ISA {

// All bits of a true lane are set.
struct Mask {
  __m256 m;
};

struct Vec {
  static constexpr int kLanes = 8;
  __m256 v;

  PLANISH_INLINE static __m256i first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }

  PLANISH_INLINE static Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  PLANISH_INLINE static Vec load_part(const float* p, int n) {
    return {_mm256_maskload_ps(p, first(n))};
  }
  PLANISH_INLINE static Vec broadcast(float x) { return {_mm256_set1_ps(x)}; }
  // Lane i is p[i * stride].
  PLANISH_INLINE static Vec gather(const float* p, int64_t stride) {
    alignas(32) float lane[kLanes];
    for (int i = 0; i < kLanes; ++i) lane[i] = p[i * stride];
    return load(lane);
  }
  PLANISH_INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }
  PLANISH_INLINE void store_part(float* p, int n) const { _mm256_maskstore_ps(p, first(n), v); }
};

struct VecI {
  __m256i v;

  PLANISH_INLINE static VecI load(const int32_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
  }
  PLANISH_INLINE static VecI broadcast(int32_t x) { return {_mm256_set1_epi32(x)}; }
  PLANISH_INLINE void store(int32_t* p) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
  }
};

PLANISH_INLINE Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
PLANISH_INLINE Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
PLANISH_INLINE Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
PLANISH_INLINE Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
// a * b + c
PLANISH_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
// c - a * b
PLANISH_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
PLANISH_INLINE Vec max_keep2(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
PLANISH_INLINE Vec min_keep2(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
PLANISH_INLINE Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.v)}; }
PLANISH_INLINE Vec floor(Vec a) { return {_mm256_floor_ps(a.v)}; }
PLANISH_INLINE Vec ceil(Vec a) { return {_mm256_ceil_ps(a.v)}; }
PLANISH_INLINE Vec trunc(Vec a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)};
}
// To the nearest integer, ties to even.
PLANISH_INLINE Vec round_even(Vec a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}

PLANISH_INLINE Vec bit_and(Vec a, Vec b) { return {_mm256_and_ps(a.v, b.v)}; }
PLANISH_INLINE Vec bit_or(Vec a, Vec b) { return {_mm256_or_ps(a.v, b.v)}; }
PLANISH_INLINE Vec bit_xor(Vec a, Vec b) { return {_mm256_xor_ps(a.v, b.v)}; }
// ~a & b
PLANISH_INLINE Vec bit_andnot(Vec a, Vec b) { return {_mm256_andnot_ps(a.v, b.v)}; }

PLANISH_INLINE Mask lt(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
PLANISH_INLINE Mask le(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
PLANISH_INLINE Mask eq(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
PLANISH_INLINE Mask ne(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_NEQ_UQ)}; }
PLANISH_INLINE Mask mask_and(Mask a, Mask b) { return {_mm256_and_ps(a.m, b.m)}; }
PLANISH_INLINE Mask mask_or(Mask a, Mask b) { return {_mm256_or_ps(a.m, b.m)}; }
PLANISH_INLINE Mask mask_not(Mask a) {
  return {_mm256_xor_ps(a.m, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))};
}
PLANISH_INLINE bool any(Mask a) { return _mm256_movemask_ps(a.m) != 0; }
// Where m: a, else b.
PLANISH_INLINE Vec select(Mask m, Vec a, Vec b) { return {_mm256_blendv_ps(b.v, a.v, m.m)}; }

PLANISH_INLINE VecI operator+(VecI a, VecI b) { return {_mm256_add_epi32(a.v, b.v)}; }
PLANISH_INLINE VecI operator-(VecI a, VecI b) { return {_mm256_sub_epi32(a.v, b.v)}; }
PLANISH_INLINE VecI operator&(VecI a, VecI b) { return {_mm256_and_si256(a.v, b.v)}; }
PLANISH_INLINE VecI operator|(VecI a, VecI b) { return {_mm256_or_si256(a.v, b.v)}; }
PLANISH_INLINE VecI operator^(VecI a, VecI b) { return {_mm256_xor_si256(a.v, b.v)}; }
template <int n>
PLANISH_INLINE VecI shift_left(VecI a) {
  return {_mm256_slli_epi32(a.v, n)};
}
// The sign is repeated.
template <int n>
PLANISH_INLINE VecI shift_right(VecI a) {
  return {_mm256_srai_epi32(a.v, n)};
}
// Rounds to nearest, ties to even; out of range and NaN give INT32_MIN.
PLANISH_INLINE VecI to_int(Vec a) { return {_mm256_cvtps_epi32(a.v)}; }
PLANISH_INLINE Vec to_float(VecI a) { return {_mm256_cvtepi32_ps(a.v)}; }
PLANISH_INLINE Vec bits_to_float(VecI a) { return {_mm256_castsi256_ps(a.v)}; }
PLANISH_INLINE VecI float_to_bits(Vec a) { return {_mm256_castps_si256(a.v)}; }

// The sum of the lanes, pairwise in a fixed order.
PLANISH_INLINE float sum(Vec a) {
  __m128 c = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  c = _mm_add_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
}

}  // namespace planish::cpu::PLANISH_ISA
