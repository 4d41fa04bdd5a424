// SPDX-License-Identifier: Apache-2.0
// The pointwise nodes behind a root (product, convolution, normalisation, pool): how a kernel reads
// their operands and applies them. The generated struct, usually inside
// namespace planish::pointwise, so that it finds the functions of expression.cuh:
//
//   struct Tail {
//     static constexpr int kOperands = 2;     // besides the root's own result; up to 8
//     using Operand0 = f16;                   // element type in memory
//     using Operand1 = f32;
//     static constexpr bool kColumn0 = true;  // one value a column (a bias): row and batch
//     static constexpr bool kColumn1 = false; //   stride 0, column stride 1
//     static constexpr bool kDense1 = true;   // strides of the output itself; absent: false
//     static PLANISH_DEVICE float apply(float x, const float* in) {
//       return relu(x + in[0]) + in[1];
//     }
//   };
// NoTail has no operands and returns x.
//
// For output (batch b, row r, column c), operand i is the element at
//   address + b * batch_stride + r * row_stride + c * column_stride
// (strides in elements, may be 0) of TailOperand i, which lie at the end of the kernel's Params:
// TailOperand tail[kMaxTailOperands]. A kernel reads kVector neighbouring columns of a row at a
// time. Operands are read in vectors when kColumn or kDense says so and their addresses and
// strides allow it, else element by element.
// Roots: product: rows and columns of C. Convolution and pools: image, pixel, channel. Row kernels
// (softmax, normalisation): 0, row, column.
#pragma once

#include "device.cuh"
#include "expression.cuh"

namespace planish {

inline constexpr int kMaxTailOperands = 8;

struct TailOperand {
  u64 address;
  i64 batch_stride;
  i64 row_stride;
  i64 column_stride;
};

struct NoTail {
  static constexpr int kOperands = 0;
  static PLANISH_DEVICE float apply(float x, const float*) { return x; }
};

namespace tail_detail {

// Whether N elements of T at `at` may be read as one vector.
template <int N, class T>
PLANISH_DEVICE bool aligned(const T* at) {
  constexpr u64 kBytes = N * sizeof(T) < 16 ? N * sizeof(T) : 16;
  return reinterpret_cast<u64>(at) % kBytes == 0;
}

// Reads `count` (at most kVector) neighbouring columns of operand `i` into in[...][i].
template <class T, bool kVectorised, int kVector>
PLANISH_DEVICE void read(const TailOperand& operand, i64 offset, int count, int i,
                         float (&in)[kVector][kMaxTailOperands]) {
  const T* at = pointer<const T>(operand.address) + offset;
  if constexpr (kVectorised && kVector > 1) {
    if (count == kVector && aligned<kVector>(at)) {
      const Pack<T, kVector> pack = load_pack<kVector>(at);
      PLANISH_UNROLL
      for (int e = 0; e < kVector; ++e)
        in[e][i] = static_cast<float>(pointwise::computed(pack.at[e]));
      return;
    }
  }
  PLANISH_UNROLL
  for (int e = 0; e < kVector; ++e) {
    in[e][i] = e < count ? static_cast<float>(pointwise::computed(
                               load(at + (kVectorised ? e : e * operand.column_stride))))
                         : 0.0f;
  }
}

}  // namespace tail_detail

// Applies Tail to x[0 .. count), the columns from `column` on of one row.
template <class Tail, int kVector>
PLANISH_DEVICE void apply_tail(const TailOperand* operands, i64 batch, i64 row, i64 column,
                               int count, float (&x)[kVector]) {
  float in[kVector][kMaxTailOperands];
#define PLANISH_TAIL_OPERAND(i)                                                                   \
  if constexpr (Tail::kOperands > i) {                                                            \
    constexpr bool kDense = [] {                                                                  \
      if constexpr (requires { Tail::kDense##i; }) {                                              \
        return Tail::kDense##i;                                                                   \
      } else {                                                                                    \
        return false;                                                                             \
      }                                                                                           \
    }();                                                                                          \
    const TailOperand& o = operands[i];                                                           \
    const i64 offset = Tail::kColumn##i ? column                                                  \
                                        : batch * o.batch_stride + row * o.row_stride +           \
                                              (kDense ? column : column * o.column_stride);       \
    tail_detail::read<typename Tail::Operand##i, Tail::kColumn##i || kDense>(o, offset, count, i, \
                                                                             in);                 \
  }
  PLANISH_TAIL_OPERAND(0)
  PLANISH_TAIL_OPERAND(1)
  PLANISH_TAIL_OPERAND(2)
  PLANISH_TAIL_OPERAND(3)
  PLANISH_TAIL_OPERAND(4)
  PLANISH_TAIL_OPERAND(5)
  PLANISH_TAIL_OPERAND(6)
  PLANISH_TAIL_OPERAND(7)
#undef PLANISH_TAIL_OPERAND
  PLANISH_UNROLL
  for (int e = 0; e < kVector; ++e) x[e] = Tail::apply(x[e], in[e]);
}

// Rounds and stores x[0 .. count) at `to`, as one vector where it can be.
template <class T, int kVector>
PLANISH_DEVICE void store_row(T* to, int count, const float (&x)[kVector]) {
  if constexpr (kVector > 1) {
    if (count == kVector && tail_detail::aligned<kVector>(to)) {
      Pack<T, kVector> pack;
      PLANISH_UNROLL
      for (int e = 0; e < kVector; ++e) pack.at[e] = pointwise::stored<T>(x[e]);
      store_pack(to, pack);
      return;
    }
  }
  PLANISH_UNROLL
  for (int e = 0; e < kVector; ++e) {
    if (e < count) store(to + e, pointwise::stored<T>(x[e]));
  }
}

}  // namespace planish
