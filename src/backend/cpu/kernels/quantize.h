// SPDX-License-Identifier: Apache-2.0
// Floats to 8-bit integers and back: saturate(round(x / scale) + zero) and (q - zero) * scale.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/isa.h"

namespace planish {
class ThreadPool;
}

namespace planish::cpu {

// x and q are [outer, channels, inner]; scale and zero have one element, or one a channel.
struct Quantize {
  const float* x = nullptr;  // read by quantize
  float* y = nullptr;        // written by dequantize
  const uint8_t* q = nullptr;
  uint8_t* q_out = nullptr;
  bool is_signed = false;  // int8, not uint8
  const float* scale = nullptr;
  const uint8_t* zero = nullptr;  // of q's type; null: 0
  bool per_channel = false;
  int64_t outer = 1, channels = 1, inner = 1;
};

void quantize(Isa isa, const Quantize& p, ThreadPool& pool);
void dequantize(Isa isa, const Quantize& p, ThreadPool& pool);

// The least and greatest of `count` floats and 0; a NaN is passed over. `scratch` holds
// float_range_scratch(threads) bytes.
int64_t float_range_scratch(int threads);
void float_range(Isa isa, const float* x, int64_t count, float* least, float* greatest,
                 void* scratch, ThreadPool& pool);

// By instruction set: n neighbours; per_channel: one scale and zero point for each of them.
struct QuantizeTable {
  void (*quantize)(const float* x, int64_t n, const float* scale, const float* zero,
                   bool per_channel, bool is_signed, uint8_t* q);
  void (*dequantize)(const uint8_t* q, int64_t n, const float* scale, const float* zero,
                     bool per_channel, bool is_signed, float* y);
  void (*range)(const float* x, int64_t n, float* least, float* greatest);
};

namespace plain {
extern const QuantizeTable kQuantize;
}
namespace avx2 {
extern const QuantizeTable kQuantize;
}
namespace avx512 {
extern const QuantizeTable kQuantize;
}

inline const QuantizeTable& quantize_table(Isa isa) {
  return by_isa(isa, plain::kQuantize, avx2::kQuantize, avx512::kQuantize);
}

}  // namespace planish::cpu
