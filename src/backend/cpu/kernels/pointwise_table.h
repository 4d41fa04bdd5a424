// SPDX-License-Identifier: Apache-2.0
#pragma once

// The loops of the pointwise engine, a table for each instruction set: one loop an operation and
// domain, and the conversions between memory and registers.

#include <cstdint>

#include "backend/cpu/kernels/isa.h"
#include "ops/pointwise_rows.h"
#include "tensor/dtype.h"

namespace planish::cpu {

// Operations of a tape beyond the rows of pointwise.def, numbered after them.
inline constexpr int kTapeCopy = kPointwiseRowCount;         // the value itself
inline constexpr int kTapeToI64 = kPointwiseRowCount + 1;    // f32 to i64, towards zero
inline constexpr int kTapeToF32 = kPointwiseRowCount + 2;    // i64 to f32
inline constexpr int kTapeToTruth = kPointwiseRowCount + 3;  // 1 unless zero
inline constexpr int kTapeOpCount = kPointwiseRowCount + 4;

// Floats that a repeated scalar occupies: a vector of the widest instruction set.
inline constexpr int kRepeat = 16;

// One instruction over `rows` x `cols` elements. Strides are in elements. An operand with
// `steps` false holds one value a row: kRepeat copies of it for f32, one for i64.
struct TapeLoop {
  void* dst;
  int64_t dst_row;
  const void* src[3];
  int64_t src_row[3];
  bool steps[3];
  int64_t rows;
  int64_t cols;
  const float* attributes;
};

struct PointwiseTable {
  int lanes;
  using Loop = void (*)(const TapeLoop&);
  Loop f32[kTapeOpCount];  // null where the operation does not exist in the domain
  Loop i64[kTapeOpCount];

  // Memory to register: n elements, `stride` elements apart in memory, dense in the register.
  using Load = void (*)(void* dst, const void* src, int64_t stride, int64_t n);
  // Register to memory. Integers are cut down to the type; f32 to bool is "unless zero".
  using Store = void (*)(void* dst, int64_t stride, const void* src, int64_t n);
  // Cuts n i64 values down to the type in place, sign- or zero-extended again.
  using Wrap = void (*)(int64_t* data, int64_t n);
  Load load_f32[kDTypeCount];  // null where there is no such conversion
  Load load_i64[kDTypeCount];
  Store store_f32[kDTypeCount];
  Store store_i64[kDTypeCount];
  Wrap wrap[kDTypeCount];
};

namespace plain {
extern const PointwiseTable kPointwise;
}
namespace avx2 {
extern const PointwiseTable kPointwise;
}
namespace avx512 {
extern const PointwiseTable kPointwise;
}

inline const PointwiseTable& pointwise_table(Isa isa) {
  return by_isa(isa, plain::kPointwise, avx2::kPointwise, avx512::kPointwise);
}

}  // namespace planish::cpu
