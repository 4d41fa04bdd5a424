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

// Operand i of a tail.
template <class Tail, int i>
struct Operand {
  using Type = u8;
  static constexpr bool kExists = false, kColumn = false, kDense = false;
};
#define PLANISH_TAIL_OPERAND(i)                                       \
  template <class Tail>                                               \
    requires(Tail::kOperands > i)                                     \
  struct Operand<Tail, i> {                                           \
    using Type = typename Tail::Operand##i;                           \
    static constexpr bool kExists = true, kColumn = Tail::kColumn##i; \
    static constexpr bool kDense = [] {                               \
      if constexpr (requires { Tail::kDense##i; }) {                  \
        return Tail::kDense##i;                                       \
      } else {                                                        \
        return false;                                                 \
      }                                                               \
    }();                                                              \
  };
PLANISH_TAIL_OPERAND(0)
PLANISH_TAIL_OPERAND(1)
PLANISH_TAIL_OPERAND(2)
PLANISH_TAIL_OPERAND(3)
PLANISH_TAIL_OPERAND(4)
PLANISH_TAIL_OPERAND(5)
PLANISH_TAIL_OPERAND(6)
PLANISH_TAIL_OPERAND(7)
#undef PLANISH_TAIL_OPERAND

// Reads `count` (at most kVector) neighbouring columns; zeros behind.
template <bool kNeighbours, class T, int kVector>
PLANISH_DEVICE void read(const T* at, i64 stride, int count, Pack<T, kVector>& pack) {
  if constexpr (kNeighbours && kVector > 1) {
    if (count == kVector && aligned<kVector>(at)) {
      pack = load_pack<kVector>(at);
      return;
    }
  }
  PLANISH_UNROLL
  for (int e = 0; e < kVector; ++e)
    pack.at[e] = e < count ? load(at + (kNeighbours ? e : e * stride)) : T{};
}

struct Nothing {};

}  // namespace tail_detail

// What a tail reads for kVector neighbouring columns of a row, as it lies in memory: the operands
// with one value a column if kColumns, the others if not. Fetched ahead of the stores of other
// rows, which no load may pass, they arrive together.
template <class Tail, int kVector, bool kColumns, int i = 0>
struct TailValues {
  using Operand = tail_detail::Operand<Tail, i>;
  using T = typename Operand::Type;
  static constexpr bool kHolds = Operand::kExists && Operand::kColumn == kColumns;
  static constexpr bool kIsLast = i + 1 >= Tail::kOperands;

  Pack<T, kHolds ? kVector : 1> pack;
  Choose<kIsLast, tail_detail::Nothing, TailValues<Tail, kVector, kColumns, i + 1>> rest;

  PLANISH_DEVICE void fetch(const TailOperand* operands, i64 batch, i64 row, i64 column,
                            int count) {
    if constexpr (kHolds) {
      const TailOperand& o = operands[i];
      const i64 offset = kColumns ? column
                                  : batch * o.batch_stride + row * o.row_stride +
                                        (Operand::kDense ? column : column * o.column_stride);
      tail_detail::read<kColumns || Operand::kDense>(pointer<const T>(o.address) + offset,
                                                     o.column_stride, count, pack);
    }
    if constexpr (!kIsLast) rest.fetch(operands, batch, row, column, count);
  }
  // Operand i of column e, as in[e][i].
  PLANISH_DEVICE void put(float (&in)[kVector][kMaxTailOperands]) const {
    if constexpr (kHolds) {
      PLANISH_UNROLL
      for (int e = 0; e < kVector; ++e)
        in[e][i] = static_cast<float>(pointwise::computed(pack.at[e]));
    }
    if constexpr (!kIsLast) rest.put(in);
  }
};

// Applies Tail to x with what was fetched.
template <class Tail, int kVector>
PLANISH_DEVICE void apply_tail(const TailValues<Tail, kVector, true>& columns,
                               const TailValues<Tail, kVector, false>& others,
                               float (&x)[kVector]) {
  float in[kVector][kMaxTailOperands];
  columns.put(in);
  others.put(in);
  PLANISH_UNROLL
  for (int e = 0; e < kVector; ++e) x[e] = Tail::apply(x[e], in[e]);
}

// Applies Tail to x[0 .. count), the columns from `column` on of one row.
template <class Tail, int kVector>
PLANISH_DEVICE void apply_tail(const TailOperand* operands, i64 batch, i64 row, i64 column,
                               int count, float (&x)[kVector]) {
  TailValues<Tail, kVector, true> columns;
  TailValues<Tail, kVector, false> others;
  columns.fetch(operands, batch, row, column, count);
  others.fetch(operands, batch, row, column, count);
  apply_tail<Tail>(columns, others, x);
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
