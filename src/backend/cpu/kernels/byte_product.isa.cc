// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/byte_product.h"

#include "backend/cpu/kernels/activation.h"
#include "backend/cpu/kernels/vec_bytes.h"

namespace planish::cpu::PLANISH_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kMaxRows = 14;
#elif defined(__AVX2__)
constexpr int kMaxRows = 6;
#else
constexpr int kMaxRows = 4;
#endif
constexpr int kPanel = 2 * kLanes;

// The finished floats that activation and tail find in the first-level cache.
constexpr int64_t kHotFloats = 4096;

PLANISH_INLINE VecI load_int(const uint8_t* p) {
  return VecI::load(reinterpret_cast<const int32_t*>(p));
}

// The same four bytes in every lane.
PLANISH_INLINE VecI repeat(const uint8_t* p) {
  int32_t four = 0;
  __builtin_memcpy(&four, p, sizeof four);
  return VecI::broadcast(four);
}

// sum + a . b over the 16-bit pairs of each lane.
PLANISH_INLINE VecI add_pairs(VecI sum, VecI a, VecI b) {
#if defined(__AVX512F__)
  return {_mm512_add_epi32(sum.v, _mm512_madd_epi16(a.v, b.v))};
#elif defined(__AVX2__)
  return {_mm256_add_epi32(sum.v, _mm256_madd_epi16(a.v, b.v))};
#else
  return {_mm_add_epi32(sum.v, _mm_madd_epi16(a.v, b.v))};
#endif
}

// sum + a . b over the bytes of each lane, a's unsigned.
PLANISH_INLINE VecI add_bytes(VecI sum, VecI a, VecI b) {
#if defined(__AVX512F__)
  // The instruction itself: this file is compiled for machines without it too, which do not come
  // here.
  asm("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(a.v), "v"(b.v));
  return sum;
#else
  (void)a;
  (void)b;
  return sum;
#endif
}

template <bool bytes, int kRows, int kVecs>
void tile(const ByteBlock& g, const uint8_t* a, const uint8_t* b, int32_t* c, int64_t cols) {
  VecI sum[kRows][kVecs];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; ++v) sum[r][v] = VecI::broadcast(0);
  }
  const int64_t a_row = g.a_row;
  for (int64_t k = 0; k < g.groups; ++k, a += 4, b += kVecs * kLanes * 4) {
    VecI w[kVecs];
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; ++v) w[v] = load_int(b + v * kLanes * 4);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const VecI x = repeat(a + r * a_row);
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; ++v)
        sum[r][v] = bytes ? add_bytes(sum[r][v], x, w[v]) : add_pairs(sum[r][v], x, w[v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; ++v)
      store_up_to(bits_to_float(sum[r][v]), reinterpret_cast<float*>(c + r * g.c_row) + v * kLanes,
                  cols - v * kLanes);
  }
}

using TileFunction = void (*)(const ByteBlock&, const uint8_t*, const uint8_t*, int32_t*, int64_t);

template <bool bytes, int kVecs, int kRows>
constexpr void fill_tiles(TileFunction* tiles) {
  tiles[kRows] = &tile<bytes, kRows, kVecs>;
  if constexpr (kRows > 1) fill_tiles<bytes, kVecs, kRows - 1>(tiles);
}

// By vectors of columns less one, and rows.
template <bool bytes>
struct TileTable {
  TileFunction by_rows[2][kMaxRows + 1] = {};
  constexpr TileTable() {
    fill_tiles<bytes, 1, kMaxRows>(by_rows[0]);
    fill_tiles<bytes, 2, kMaxRows>(by_rows[1]);
  }
};
template <bool bytes>
constexpr TileTable<bytes> kTiles;

template <bool bytes>
void block(const ByteBlock& g) {
  const int64_t tiles = (g.rows + kMaxRows - 1) / kMaxRows;
  for (int64_t j = 0; j < g.cols; j += kPanel) {
    const int64_t cols = least<int64_t>(g.cols - j, kPanel);
    const bool narrow = cols <= kLanes;
    const uint8_t* b = g.b + j * g.groups * 4;
    int64_t row = 0;
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t n = g.rows / tiles + (i < g.rows % tiles ? 1 : 0);
      kTiles<bytes>.by_rows[narrow ? 0 : 1][n](g, g.a + row * g.a_row, b, g.c + row * g.c_row + j,
                                               cols);
      row += n;
    }
  }
}

VecI load_int_up_to(const int32_t* p, int64_t n) {
  return float_to_bits(load_up_to(reinterpret_cast<const float*>(p), n));
}

// The sums as integers, in place.
void finish_integers(const ByteFinish& f) {
  for (int64_t i = 0; i < f.rows; ++i) {
    const int32_t* sums = f.sums + i * f.sums_row;
    auto* y = static_cast<float*>(f.y) + i * f.y_row;  // lanes are moved, not read
    for (int64_t j = 0; j < f.cols; j += kLanes) {
      const int64_t left = f.cols - j;
      VecI v = load_int_up_to(sums + j, left);
      if (f.offsets != nullptr) v = v - load_int_up_to(f.offsets + j, left);
      store_up_to(bits_to_float(v), y + j, left);
    }
  }
}

// Rows [first, last) as floats at `y`, clipped where that is the whole activation.
void scale_rows(const ByteFinish& f, int64_t first, int64_t last, bool clip, float* y,
                int64_t y_row) {
  const Epilogue& e = f.epilogue;
  const Vec low = Vec::broadcast(clip ? e.p : -__builtin_inff());
  const Vec high = Vec::broadcast(clip ? e.q : __builtin_inff());
  const bool add = e.residual != nullptr && !e.residual_last;
  for (int64_t i = first; i < last; ++i) {
    const int32_t* sums = f.sums + i * f.sums_row;
    const float* residual = add ? e.residual + i * e.residual_row : nullptr;
    for (int64_t j = 0; j < f.cols; j += kLanes) {
      const int64_t left = f.cols - j;
      VecI sum = load_int_up_to(sums + j, left);
      if (f.offsets != nullptr) sum = sum - load_int_up_to(f.offsets + j, left);
      const Vec bias = e.bias != nullptr ? load_up_to(e.bias + j, left) : zero();
      Vec v = fma(to_float(sum), load_up_to(f.scale + j, left), bias);
      if (add) v = v + load_up_to(residual + j, left);
      store_up_to(clamp(v, low, high), y + i * y_row + j, left);
    }
  }
}

void quantize_rows(const ByteFinish& f, int64_t first, int64_t last, const float* x,
                   int64_t x_row) {
  const bool is_signed = f.result == ByteResult::int8;
  const Vec low = Vec::broadcast(is_signed ? -128.0F : 0.0F);
  const Vec high = Vec::broadcast(is_signed ? 127.0F : 255.0F);
  const Vec scale = Vec::broadcast(f.y_scale), zero_point = Vec::broadcast(f.y_zero);
  for (int64_t i = first; i < last; ++i) {
    uint8_t* y = static_cast<uint8_t*>(f.y) + i * f.y_row;
    const float* row = x + i * x_row;
    for (int64_t j = 0; j < f.cols; j += kLanes) {
      const int64_t left = f.cols - j;
      store_bytes_up_to(quantize_lanes(load_up_to(row + j, left), scale, zero_point, low, high),
                        y + j, left);
    }
  }
}

void finish(const ByteFinish& f) {
  if (f.result == ByteResult::int32) return finish_integers(f);
  const Epilogue& e = f.epilogue;
  const bool quantizes = f.result != ByteResult::float32;
  const bool pass = activation::needs_pass(e);
  const bool clip = e.activation == Activation::clip && !pass;
  float* y = quantizes ? reinterpret_cast<float*>(f.sums) : static_cast<float*>(f.y);
  const int64_t y_row = quantizes ? f.sums_row : f.y_row;
  const int64_t step = greatest<int64_t>(1, kHotFloats / greatest<int64_t>(f.cols, 1));
  for (int64_t i = 0; i < f.rows; i += step) {
    const int64_t last = least(i + step, f.rows);
    scale_rows(f, i, last, clip, y, y_row);
    if (pass) {
      const float* residual =
          e.residual != nullptr && e.residual_last ? e.residual + i * e.residual_row : nullptr;
      activation::apply_rows(e, y + i * y_row, y_row, last - i, f.cols, residual);
    }
    if (e.tail != nullptr)
      e.tail(e.tail_state, y + i * y_row, y_row, 0, f.row0 + i, last - i, f.col0, f.cols);
    if (quantizes) quantize_rows(f, i, last, y, y_row);
  }
}

void copy(const uint8_t* from, int64_t n, bool turn, uint8_t* to) {
  const uint64_t bits = turn ? 0x8080808080808080ULL : 0;
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t eight = 0;
    __builtin_memcpy(&eight, from + i, 8);
    eight ^= bits;
    __builtin_memcpy(to + i, &eight, 8);
  }
  for (; i < n; ++i) to[i] = from[i] ^ static_cast<uint8_t>(bits);
}

template <bool is_signed>
void widen_typed(const uint8_t* from, int64_t n, int32_t shift, int16_t* to) {
  int64_t i = 0;
#if defined(__AVX2__)
  const __m256i shifts = _mm256_set1_epi16(static_cast<int16_t>(shift));
  for (; i + 16 <= n; i += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
    const __m256i wide = is_signed ? _mm256_cvtepi8_epi16(v) : _mm256_cvtepu8_epi16(v);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), _mm256_sub_epi16(wide, shifts));
  }
#endif
  for (; i < n; ++i) {
    const int32_t v = is_signed ? static_cast<int8_t>(from[i]) : from[i];
    to[i] = static_cast<int16_t>(v - shift);
  }
}

void widen(const uint8_t* from, int64_t n, bool is_signed, int32_t shift, int16_t* to) {
  if (is_signed) return widen_typed<true>(from, n, shift, to);
  widen_typed<false>(from, n, shift, to);
}

#if defined(__AVX512F__)
constexpr void (*kBlockBytes)(const ByteBlock&) = &block<true>;
#else
constexpr void (*kBlockBytes)(const ByteBlock&) = nullptr;
#endif

}  // namespace

const ByteKernels kByteKernels = {kMaxRows,      kPanel,  kLanes, kBlockBytes,
                                  &block<false>, &finish, &copy,  &widen};

}  // namespace planish::cpu::PLANISH_ISA
