// SPDX-License-Identifier: Apache-2.0
#pragma once

// 8-bit integers as lanes of int32; for .isa.cc files.

#include "backend/cpu/kernels/vec.h"

namespace planish::cpu::PLANISH_ISA {

template <bool is_signed>
PLANISH_INLINE VecI load_bytes(const uint8_t* p) {
#if defined(__AVX512F__)
  const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {is_signed ? _mm512_cvtepi8_epi32(v) : _mm512_cvtepu8_epi32(v)};
#elif defined(__AVX2__)
  const __m128i v = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return {is_signed ? _mm256_cvtepi8_epi32(v) : _mm256_cvtepu8_epi32(v)};
#else
  alignas(16) int32_t lane[kLanes];
  for (int i = 0; i < kLanes; ++i)
    lane[i] = is_signed ? static_cast<int32_t>(static_cast<int8_t>(p[i])) : int32_t{p[i]};
  return VecI::load(lane);
#endif
}

// Lanes that are no bytes are cut down to their low 8 bits.
PLANISH_INLINE void store_bytes(VecI v, uint8_t* p) {
#if defined(__AVX512F__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(v.v));
#elif defined(__AVX2__)
  const __m256i low = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                       0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i packed = _mm256_shuffle_epi8(v.v, low);
  const __m128i both =
      _mm_unpacklo_epi32(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), both);
#else
  alignas(16) int32_t lane[kLanes];
  v.store(lane);
  for (int i = 0; i < kLanes; ++i) p[i] = static_cast<uint8_t>(lane[i]);
#endif
}

template <bool is_signed>
PLANISH_INLINE VecI load_bytes_up_to(const uint8_t* p, int64_t n) {
  if (n >= kLanes) return load_bytes<is_signed>(p);
  uint8_t bytes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) bytes[i] = p[i];
  return load_bytes<is_signed>(bytes);
}

PLANISH_INLINE void store_bytes_up_to(VecI v, uint8_t* p, int64_t n) {
  if (n >= kLanes) return store_bytes(v, p);
  uint8_t bytes[kLanes];
  store_bytes(v, bytes);
  for (int64_t i = 0; i < n; ++i) p[i] = bytes[i];
}

// saturate(round(x / scale) + zero), as QuantizeLinear has it: ties to even, NaN gives the zero
// point.
PLANISH_INLINE VecI quantize_lanes(Vec x, Vec scale, Vec zero_point, Vec low, Vec high) {
  Vec q = round_even(x / scale);
  q = select(eq(q, q), q, zero());
  return to_int(clamp(q + zero_point, low, high));
}

}  // namespace planish::cpu::PLANISH_ISA
