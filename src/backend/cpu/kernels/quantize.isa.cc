// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/quantize.h"

#include "backend/cpu/kernels/vec_bytes.h"

namespace planish::cpu::PLANISH_ISA {
namespace {

void quantize_run(const float* x, int64_t n, const float* scale, const float* zeros,
                  bool per_channel, bool is_signed, uint8_t* q) {
  const Vec low = Vec::broadcast(is_signed ? -128.0F : 0.0F);
  const Vec high = Vec::broadcast(is_signed ? 127.0F : 255.0F);
  const Vec one_scale = Vec::broadcast(*scale), one_zero = Vec::broadcast(*zeros);
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t left = n - i;
    const Vec s = per_channel ? load_up_to(scale + i, left) : one_scale;
    const Vec z = per_channel ? load_up_to(zeros + i, left) : one_zero;
    store_bytes_up_to(quantize_lanes(load_up_to(x + i, left), s, z, low, high), q + i, left);
  }
}

template <bool is_signed>
void dequantize_run(const uint8_t* q, int64_t n, const float* scale, const float* zeros,
                    bool per_channel, float* y) {
  const Vec one_scale = Vec::broadcast(*scale), one_zero = Vec::broadcast(*zeros);
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t left = n - i;
    const Vec s = per_channel ? load_up_to(scale + i, left) : one_scale;
    const Vec z = per_channel ? load_up_to(zeros + i, left) : one_zero;
    const Vec v = to_float(load_bytes_up_to<is_signed>(q + i, left));
    store_up_to((v - z) * s, y + i, left);
  }
}

void dequantize_any(const uint8_t* q, int64_t n, const float* scale, const float* zeros,
                    bool per_channel, bool is_signed, float* y) {
  if (is_signed) return dequantize_run<true>(q, n, scale, zeros, per_channel, y);
  dequantize_run<false>(q, n, scale, zeros, per_channel, y);
}

void range(const float* x, int64_t n, float* least, float* greatest) {
  Vec low = zero(), high = zero();
  for (int64_t i = 0; i < n; i += kLanes) {
    const Vec v = load_up_to(x + i, n - i);
    low = min_keep2(v, low);
    high = max_keep2(v, high);
  }
  alignas(64) float lane[kLanes];
  low.store(lane);
  for (int i = 0; i < kLanes; ++i) *least = lane[i] < *least ? lane[i] : *least;
  high.store(lane);
  for (int i = 0; i < kLanes; ++i) *greatest = lane[i] > *greatest ? lane[i] : *greatest;
}

}  // namespace

extern const QuantizeTable kQuantize;
constinit const QuantizeTable kQuantize = {quantize_run, dequantize_any, range};

}  // namespace planish::cpu::PLANISH_ISA
