// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/copy.h"

#include "backend/cpu/kernels/vec.h"

namespace planish::cpu::PLANISH_ISA {

namespace {

// Row i of the block becomes column i, in registers.
#if defined(__AVX512F__)
PLANISH_INLINE void transpose_lanes(Vec (&r)[16]) {
  __m512 t[16];
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_ps(r[2 * i].v, r[2 * i + 1].v);
    t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i].v, r[2 * i + 1].v);
  }
  __m512 u[16];
  for (int i = 0; i < 4; ++i) {
    const auto pair = [&](int j) { return _mm512_castps_pd(t[4 * i + j]); };
    u[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(pair(0), pair(2)));
    u[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(pair(0), pair(2)));
    u[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(pair(1), pair(3)));
    u[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(pair(1), pair(3)));
  }
  // u[4 g + j] holds columns j, j+4, j+8, j+12 of rows 4 g .. 4 g + 3.
  for (int j = 0; j < 4; ++j) {
    const __m512 low01 = _mm512_shuffle_f32x4(u[j], u[4 + j], 0x88);
    const __m512 high01 = _mm512_shuffle_f32x4(u[j], u[4 + j], 0xdd);
    const __m512 low23 = _mm512_shuffle_f32x4(u[8 + j], u[12 + j], 0x88);
    const __m512 high23 = _mm512_shuffle_f32x4(u[8 + j], u[12 + j], 0xdd);
    r[j].v = _mm512_shuffle_f32x4(low01, low23, 0x88);
    r[8 + j].v = _mm512_shuffle_f32x4(low01, low23, 0xdd);
    r[4 + j].v = _mm512_shuffle_f32x4(high01, high23, 0x88);
    r[12 + j].v = _mm512_shuffle_f32x4(high01, high23, 0xdd);
  }
}
#elif defined(__AVX2__)
PLANISH_INLINE void transpose_lanes(Vec (&r)[8]) {
  __m256 t[8];
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_ps(r[2 * i].v, r[2 * i + 1].v);
    t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i].v, r[2 * i + 1].v);
  }
  __m256 u[8];
  for (int i = 0; i < 2; ++i) {
    u[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    u[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
    u[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    u[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
  }
  for (int j = 0; j < 4; ++j) {
    r[j].v = _mm256_permute2f128_ps(u[j], u[4 + j], 0x20);
    r[4 + j].v = _mm256_permute2f128_ps(u[j], u[4 + j], 0x31);
  }
}
#else
PLANISH_INLINE void transpose_lanes(Vec (&r)[4]) {
  _MM_TRANSPOSE4_PS(r[0].v, r[1].v, r[2].v, r[3].v);
}
#endif

void transpose_block(const float* src, int64_t src_ld, float* dst, int64_t dst_ld) {
  Vec r[kLanes];
  for (int i = 0; i < kLanes; ++i) r[i] = Vec::load(src + i * src_ld);
  transpose_lanes(r);
  for (int i = 0; i < kLanes; ++i) r[i].store(dst + i * dst_ld);
}

void transpose_edge(const float* src, int64_t src_ld, float* dst, int64_t dst_ld, int64_t rows,
                    int64_t cols) {
  Vec r[kLanes];
  for (int i = 0; i < kLanes; ++i) r[i] = i < rows ? load_up_to(src + i * src_ld, cols) : zero();
  transpose_lanes(r);
  for (int i = 0; i < kLanes; ++i) {
    if (i < cols) store_up_to(r[i], dst + i * dst_ld, rows);
  }
}

void transpose4(const void* src_data, int64_t src_ld, void* dst_data, int64_t dst_ld, int64_t rows,
                int64_t cols) {
  const auto* src = static_cast<const float*>(src_data);
  auto* dst = static_cast<float*>(dst_data);
  for (int64_t r = 0; r < rows; r += kLanes) {
    for (int64_t c = 0; c < cols; c += kLanes) {
      const float* from = src + r * src_ld + c;
      float* to = dst + c * dst_ld + r;
      if (rows - r >= kLanes && cols - c >= kLanes) {
        transpose_block(from, src_ld, to, dst_ld);
      } else {
        transpose_edge(from, src_ld, to, dst_ld, rows - r, cols - c);
      }
    }
  }
}

}  // namespace

extern const CopyTable kCopy;
constinit const CopyTable kCopy = {transpose4};

}  // namespace planish::cpu::PLANISH_ISA
