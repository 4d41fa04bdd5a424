// SPDX-License-Identifier: Apache-2.0
#pragma once

// The vocabulary of ops/pointwise.def on vectors, beyond what math.h and vec.h have under the same
// names.

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "backend/cpu/kernels/math.h"

namespace planish::cpu::PLANISH_ISA {

#include "ops/pointwise_scalar.inc"

PLANISH_INLINE Vec add(Vec a, Vec b) { return a + b; }
PLANISH_INLINE Vec sub(Vec a, Vec b) { return a - b; }
PLANISH_INLINE Vec mul(Vec a, Vec b) { return a * b; }
PLANISH_INLINE Vec div(Vec a, Vec b) { return a / b; }
PLANISH_INLINE Vec min(Vec a, Vec b) { return min_nan(a, b); }
PLANISH_INLINE Vec max(Vec a, Vec b) { return max_nan(a, b); }
PLANISH_INLINE Mask gt(Vec a, Vec b) { return lt(b, a); }
PLANISH_INLINE Mask ge(Vec a, Vec b) { return le(b, a); }
PLANISH_INLINE Mask is_nan(Vec a) { return ne(a, a); }
PLANISH_INLINE Mask truth(Vec a) { return ne(a, zero()); }
PLANISH_INLINE Mask logical_and(Mask a, Mask b) { return mask_and(a, b); }
PLANISH_INLINE Mask logical_or(Mask a, Mask b) { return mask_or(a, b); }
PLANISH_INLINE Mask logical_xor(Mask a, Mask b) {
  return mask_and(mask_or(a, b), mask_not(mask_and(a, b)));
}
PLANISH_INLINE Mask logical_not(Mask a) { return mask_not(a); }

PLANISH_INLINE Vec truncated_mod(Vec a, Vec b) { return fmod(a, b); }
PLANISH_INLINE Vec floored_mod(Vec a, Vec b) {
  const Vec r = fmod(a, b);
  const Mask other_side = logical_xor(lt(r, zero()), lt(b, zero()));
  return select(mask_and(ne(r, zero()), other_side), r + b, r);
}

// tanh(softplus(x)) = n / (n + 2) with n = e^x (e^x + 2); 1 in f32 from x = 20 on.
PLANISH_INLINE Vec tanh_softplus(Vec x) {
  const Vec two = Vec::broadcast(2.0f);
  const Vec e = exp(min_keep2(Vec::broadcast(20.0f), x));
  const Vec n = e * (e + two);
  return n / (n + two);
}

}  // namespace planish::cpu::PLANISH_ISA
