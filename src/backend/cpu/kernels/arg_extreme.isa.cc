// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/arg_extreme.h"

#include "backend/cpu/kernels/vec.h"

namespace planish::cpu::PLANISH_ISA {
namespace {

// Whether x takes the place of `best`, which came before it.
template <bool smallest, bool last>
PLANISH_INLINE Mask takes_place(Vec x, Vec best) {
  const Mask is_nan = ne(x, x);
  if constexpr (last) return mask_or(smallest ? le(x, best) : le(best, x), is_nan);
  const Mask first_nan = mask_and(is_nan, eq(best, best));
  return mask_or(smallest ? lt(x, best) : lt(best, x), first_nan);
}

PLANISH_INLINE VecI select_int(Mask m, VecI a, VecI b) {
  return float_to_bits(select(m, bits_to_float(a), bits_to_float(b)));
}

template <bool smallest, bool last>
PLANISH_INLINE bool takes_place(float x, float best) {
  const bool is_nan = x != x;
  if (last) return is_nan || (smallest ? x <= best : x >= best);
  return (smallest ? x < best : x > best) || (is_nan && best == best);
}

template <bool smallest, bool last>
void columns(const ArgExtreme& p, const float* x, int64_t first, int64_t end, int64_t* out) {
  alignas(64) int32_t index[kLanes];
  for (int64_t j = first; j < end; j += kLanes) {
    const int64_t n = least<int64_t>(end - j, kLanes);
    Vec best = load_up_to(x + j, n);
    VecI at = VecI::broadcast(0);
    for (int64_t k = 1; k < p.size; ++k) {
      const Vec v = load_up_to(x + k * p.inner + j, n);
      const Mask m = takes_place<smallest, last>(v, best);
      best = select(m, v, best);
      at = select_int(m, VecI::broadcast(static_cast<int32_t>(k)), at);
    }
    at.store(index);
    for (int64_t i = 0; i < n; ++i) out[j + i] = index[i];
  }
}

template <bool smallest, bool last>
int64_t row(const ArgExtreme& p, const float* x) {
  float best = x[0];
  int64_t at = 0;
  int64_t k = 1;
  if (p.size >= 2 * kLanes) {
    alignas(64) float values[kLanes];
    alignas(64) int32_t places[kLanes];
    for (int i = 0; i < kLanes; ++i) places[i] = i;
    const VecI lane = VecI::load(places);
    Vec top = Vec::load(x);
    VecI where = lane;
    for (k = kLanes; k + kLanes <= p.size; k += kLanes) {
      const Vec v = Vec::load(x + k);
      const Mask m = takes_place<smallest, last>(v, top);
      top = select(m, v, top);
      where = select_int(m, lane + VecI::broadcast(static_cast<int32_t>(k)), where);
    }
    top.store(values);
    where.store(places);
    best = values[0];
    at = places[0];
    for (int i = 1; i < kLanes; ++i) {
      const bool same = values[i] == best || (values[i] != values[i] && best != best);
      const bool better = same ? (last ? places[i] > at : places[i] < at)
                               : takes_place<smallest, false>(values[i], best);
      if (!better) continue;
      best = values[i];
      at = places[i];
    }
  }
  for (; k < p.size; ++k) {
    if (!takes_place<smallest, last>(x[k], best)) continue;
    best = x[k];
    at = k;
  }
  return at;
}

void any_columns(const ArgExtreme& p, const float* x, int64_t first, int64_t end, int64_t* out) {
  if (p.smallest)
    return p.last ? columns<true, true>(p, x, first, end, out)
                  : columns<true, false>(p, x, first, end, out);
  return p.last ? columns<false, true>(p, x, first, end, out)
                : columns<false, false>(p, x, first, end, out);
}

int64_t any_row(const ArgExtreme& p, const float* x) {
  if (p.smallest) return p.last ? row<true, true>(p, x) : row<true, false>(p, x);
  return p.last ? row<false, true>(p, x) : row<false, false>(p, x);
}

}  // namespace

extern const ArgExtremeTable kArgExtreme;
constinit const ArgExtremeTable kArgExtreme = {any_columns, any_row};

}  // namespace planish::cpu::PLANISH_ISA
