// SPDX-License-Identifier: Apache-2.0
#pragma once

// Vectors of f32 and i32 lanes in the widest registers of the instruction set that the including
// `.isa.cc` file is compiled for: 16 lanes (avx512), 8 (avx2) or 4 (plain). One interface, three
// bodies.
//
//   Vec   kLanes floats        VecI  kLanes int32        Mask  kLanes truth values
//
// Loads and stores need no alignment. `load_part(p, n)` reads lanes 0..n-1 and sets the rest to
// zero; `store_part(p, n)` writes lanes 0..n-1; both touch no byte beyond lane n-1, and take 0 <= n
// <= kLanes.
//
// NaN: `max_keep2(a, b)` and `min_keep2(a, b)` are the bare instructions: if either operand is NaN
// they give b. So max_keep2(zero, x) is a ReLU that keeps NaN. `max_nan` and `min_nan` give NaN if
// either operand is NaN. Comparisons with NaN are false, `ne` true.

// GCC 12's header starts unmasked operations from an undefined register on purpose (its bug
// 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <cstdint>

#ifndef PLANISH_ISA
#error "vec.h is for .isa.cc files, which are compiled with PLANISH_ISA=plain, avx2 or avx512"
#endif

// Small functions that must vanish into their caller in every build type.
#define PLANISH_INLINE [[gnu::always_inline]] inline

#if defined(__AVX512F__)
#include "backend/cpu/kernels/vec_avx512.h"
#elif defined(__AVX2__)
#include "backend/cpu/kernels/vec_avx2.h"
#else
#include "backend/cpu/kernels/vec_plain.h"
#endif

namespace planish::cpu::PLANISH_ISA {

inline constexpr int kLanes = Vec::kLanes;

PLANISH_INLINE Vec zero() { return Vec::broadcast(0.0f); }

// NaN if either operand is NaN.
PLANISH_INLINE Vec max_nan(Vec a, Vec b) { return select(ne(a, a), a, max_keep2(a, b)); }
PLANISH_INLINE Vec min_nan(Vec a, Vec b) { return select(ne(a, a), a, min_keep2(a, b)); }

PLANISH_INLINE Vec relu(Vec x) { return max_keep2(zero(), x); }

// x between lo and hi; NaN stays NaN.
PLANISH_INLINE Vec clamp(Vec x, Vec lo, Vec hi) { return min_keep2(hi, max_keep2(lo, x)); }

PLANISH_INLINE Vec neg(Vec x) { return bit_xor(x, Vec::broadcast(-0.0f)); }
PLANISH_INLINE Vec abs(Vec x) { return bit_andnot(Vec::broadcast(-0.0f), x); }

// |magnitude| with the sign of sign.
PLANISH_INLINE Vec copysign(Vec magnitude, Vec sign) {
  const Vec bit = Vec::broadcast(-0.0f);
  return bit_or(bit_andnot(bit, magnitude), bit_and(bit, sign));
}

// x * 2^k for k of normal range: 2^k built in the exponent field, -126 <= k <= 127.
PLANISH_INLINE Vec scale_by_power(Vec x, VecI k) {
  return x * bits_to_float(shift_left<23>(k + VecI::broadcast(127)));
}

// Loads n lanes, whole vectors by the plain instruction.
PLANISH_INLINE Vec load_up_to(const float* p, int64_t n) {
  return n >= kLanes ? Vec::load(p) : Vec::load_part(p, static_cast<int>(n));
}
PLANISH_INLINE void store_up_to(Vec v, float* p, int64_t n) {
  if (n >= kLanes) {
    v.store(p);
  } else {
    v.store_part(p, static_cast<int>(n));
  }
}

// Fetches the line of p into the first-level cache.
PLANISH_INLINE void prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
}

// Integers' minimum and maximum, here because std::min may be emitted out of line with wide
// instructions.
template <class T>
PLANISH_INLINE constexpr T least(T a, T b) {
  return b < a ? b : a;
}
template <class T>
PLANISH_INLINE constexpr T greatest(T a, T b) {
  return a < b ? b : a;
}

}  // namespace planish::cpu::PLANISH_ISA
