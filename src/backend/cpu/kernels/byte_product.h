// SPDX-License-Identifier: Apache-2.0
// Products of 8-bit integers: matrix products and channels-last convolutions, exact sums in int32,
// with a fused epilogue in floats and quantisation of the result.
//
//   sum[p, n] = sum over k of (x[p, k] - x_zero) * (w[n, k] - w_zero[n])
//
// Rows of x that a task works on are copied, window by window, into its scratch memory, where the
// instruction finds them in its format:
//   bytes   unsigned bytes of x and signed ones of w, four products an instruction and lane
//           (AVX512_VNNI); x_zero is taken off the sums, so w_zero must be 0
//   pairs   16-bit numbers less their zero points, two products an instruction and lane
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/conv.h"
#include "backend/cpu/kernels/epilogue.h"
#include "backend/cpu/kernels/isa.h"

namespace planish::cpu {

enum class ByteFormat : uint8_t { bytes, pairs };

enum class ByteResult : uint8_t { int32, float32, uint8, int8 };

struct ByteProduct {
  // Sizes only: a matrix product is a convolution of width m. groups = 1; x_pixel, x_batch as there
  // (in elements), y and the residual are dense.
  Conv geometry;
  ByteFormat format = ByteFormat::pairs;
  const uint8_t* x = nullptr;
  bool x_signed = false;
  int32_t x_zero = 0;
  const void* weights = nullptr;         // packed
  const int32_t* weight_sums = nullptr;  // of each output channel; bytes only

  // result = quantize(epilogue(sum * scale)); int32 is the sum itself.
  ByteResult result = ByteResult::float32;
  const float* scale = nullptr;  // one an output channel
  Epilogue epilogue = {};        // rows are output pixels through the whole batch
  float y_scale = 1;
  float y_zero = 0;
  void* y = nullptr;
};

// The format for weights whose zero points are 0, or are not, on this machine.
ByteFormat choose_byte_format(Isa isa, bool zero_weights);

// Of the weights of one convolution [out_channels, in_channels, kernel...], in bytes.
int64_t byte_packed_size(Isa isa, ByteFormat format, const Conv& conv);
// Weights less their zero points (bytes: from -128 to 127), [out_channels, in_channels, taps].
void byte_pack(Isa isa, ByteFormat format, const Conv& conv, const int16_t* weights, void* packed);

int64_t byte_scratch_bytes(Isa isa, const ByteProduct& p, int threads);
void run_byte_product(Isa isa, const ByteProduct& p, void* scratch, ThreadPool& pool);

// ---- by instruction set

// sums [rows, cols] of rows of x in `format`, `groups` groups of 4 bytes each, and packed panels.
struct ByteBlock {
  const uint8_t* a;
  int64_t a_row;  // bytes, a multiple of 4
  const uint8_t* b;
  int64_t groups;
  int32_t* c;
  int64_t c_row;
  int64_t rows, cols;
};

// Sums of rows of pixels to what the product gives; `offsets` are taken off the sums (null: 0).
struct ByteFinish {
  int32_t* sums;  // overwritten
  int64_t sums_row;
  int64_t rows, cols;
  const int32_t* offsets;
  const float* scale;
  Epilogue epilogue;  // pointers moved to the first element
  int64_t row0, col0;
  ByteResult result;
  float y_scale, y_zero;
  void* y;  // of the first element
  int64_t y_row;
};

struct ByteKernels {
  int64_t max_rows, panel, lanes;
  void (*block_bytes)(const ByteBlock& block);  // null: the set has no such instruction
  void (*block_pairs)(const ByteBlock& block);
  void (*finish)(const ByteFinish& finish);
  // n bytes with the highest bit turned (signed to unsigned less 128), or as they are.
  void (*copy)(const uint8_t* from, int64_t n, bool turn, uint8_t* to);
  // n bytes less `zero`, as 16-bit numbers.
  void (*widen)(const uint8_t* from, int64_t n, bool is_signed, int32_t zero, int16_t* to);
};

namespace plain {
extern const ByteKernels kByteKernels;
}
namespace avx2 {
extern const ByteKernels kByteKernels;
}
namespace avx512 {
extern const ByteKernels kByteKernels;
}

}  // namespace planish::cpu
