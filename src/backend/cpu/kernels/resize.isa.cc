// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/resize.h"

#include "backend/cpu/kernels/vec.h"

namespace planish::cpu::PLANISH_ISA {

namespace {

// Input elements of a row that are blended vertically at a time.
constexpr int64_t kSpan = 4096;

PLANISH_INLINE Vec blend(Vec a, Vec b, Vec weight) { return fma(b - a, weight, a); }

// The columns are cut into stretches whose inputs fit the buffer: those are blended vertically by
// vectors first, then horizontally by index.
void plane_row(const ResizeTaps& cols, int64_t out_cols, const float* top, const float* bottom,
               float weight, float* dst) {
  alignas(64) float line[kSpan];
  const int32_t* first = cols.first;
  const int32_t* second = cols.second;
  const float* across = cols.weight;
  const Vec down = Vec::broadcast(weight);
  for (int64_t x = 0; x < out_cols;) {
    const int64_t origin = first[x];
    int64_t end = x + 1;
    while (end < out_cols && second[end] - origin < kSpan) ++end;
    const int64_t span = second[end - 1] - origin + 1;
    for (int64_t i = 0; i < span; i += kLanes) {
      const int64_t left = span - i;
      const Vec v =
          blend(load_up_to(top + origin + i, left), load_up_to(bottom + origin + i, left), down);
      store_up_to(v, line + i, left);
    }
    for (; x < end; ++x) {
      const float a = line[first[x] - origin];
      const float b = line[second[x] - origin];
      dst[x] = a + (b - a) * across[x];
    }
  }
}

void pixel_row(const ResizeTaps& cols, int64_t out_cols, int64_t channels, const float* top,
               const float* bottom, float weight, float* dst) {
  const Vec down = Vec::broadcast(weight);
  for (int64_t x = 0; x < out_cols; ++x) {
    const Vec across = Vec::broadcast(cols.weight[x]);
    const int64_t left_at = cols.first[x] * channels;
    const int64_t right_at = cols.second[x] * channels;
    float* to = dst + x * channels;
    for (int64_t c = 0; c < channels; c += kLanes) {
      const int64_t left = channels - c;
      const Vec a =
          blend(load_up_to(top + left_at + c, left), load_up_to(bottom + left_at + c, left), down);
      const Vec b = blend(load_up_to(top + right_at + c, left),
                          load_up_to(bottom + right_at + c, left), down);
      store_up_to(blend(a, b, across), to + c, left);
    }
  }
}

}  // namespace

extern const ResizeTable kResize;
constinit const ResizeTable kResize = {plane_row, pixel_row};

}  // namespace planish::cpu::PLANISH_ISA
