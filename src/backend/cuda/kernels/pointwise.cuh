// SPDX-License-Identifier: Apache-2.0
// output[i] = Expression::apply(input0[i], input1[i], ...), with broadcasting and any strides.
//
// The axes of the output are collapsed by the host to kRank of them (0 to 8, innermost last); each
// operand has a stride an axis, in elements: 0 where it is broadcast, negative where it runs
// backwards. With one input and the identity it is the strided copy (slice, concat, expand, flip,
// transpose).
//
//   struct Config {
//     static constexpr int kRank = 2, kInputs = 2;
//     using Input0 = f16; using Input1 = f32; using Output = f16;
//     using Expression = ...;                  // Output apply(Input0, Input1): values as stored
//     static constexpr int kVector = 8;  // elements of the innermost axis a thread takes at once
//     static constexpr int kUnroll = 2;  // such vectors a thread (a block's width apart)
//     // Strides along the innermost axis: 1 or 0; -1: in the parameters (then kVector is 1).
//     static constexpr int kInner0 = 1, kInner1 = 0;
//     static constexpr int kInnerOutput = 1;  // 1, or -1 with kVector 1
//     static constexpr bool kWide = false;    // true if a size or an offset reaches 2^31
//   };
// More than one output: kOutputs = 2, using Output0, Output1, kInnerOutput for all, and
//     static void apply(Output0& y0, Output1& y1, Input0 x0, ...);
//
// kVector > 1 needs: the innermost size a multiple of kVector unless kRank is 1; addresses that are
// multiples of least(16, kVector * size of the element), and strides of the outer axes multiples of
// kVector for operands with kInner 1. With kRank 1 the last elements are done one by one.
//
// Threads 256 (any multiple of 32). Blocks: pointwise_blocks(). No shared memory.
// Cost: bytes = sum over operands of their distinct elements; flops = elements * cost of the
// expression.
#pragma once

#include "device.cuh"
#include "expression.cuh"

namespace planish {

inline constexpr int kMaxPointwiseInputs = 12;

// Fields in order; kOperands is kOutputs + kInputs, the outputs first.
template <int kOperands, int kRank>
struct PointwiseParams {
  u64 address[kOperands];
  i64 size;  // elements of the output
  i64 dims[kRank + (kRank == 0)];
  i64 strides[kOperands][kRank + (kRank == 0)];
};

PLANISH_CONSTEXPR i64 pointwise_blocks(i64 size, i32 threads, i32 vector, i32 unroll) {
  return ceil_div(size, static_cast<i64>(threads) * vector * unroll);
}

namespace pointwise_detail {

template <class Config, int kIndex>
struct InputOf;
#define PLANISH_POINTWISE_INPUT(i)                   \
  template <class Config>                            \
  struct InputOf<Config, i> {                        \
    using Type = typename Config::Input##i;          \
    static constexpr int kInner = Config::kInner##i; \
  };
PLANISH_POINTWISE_INPUT(0)
PLANISH_POINTWISE_INPUT(1)
PLANISH_POINTWISE_INPUT(2)
PLANISH_POINTWISE_INPUT(3)
PLANISH_POINTWISE_INPUT(4)
PLANISH_POINTWISE_INPUT(5)
PLANISH_POINTWISE_INPUT(6)
PLANISH_POINTWISE_INPUT(7)
PLANISH_POINTWISE_INPUT(8)
PLANISH_POINTWISE_INPUT(9)
PLANISH_POINTWISE_INPUT(10)
PLANISH_POINTWISE_INPUT(11)
#undef PLANISH_POINTWISE_INPUT

template <class Config>
PLANISH_CONSTEXPR int outputs() {
  if constexpr (requires { Config::kOutputs; }) {
    return Config::kOutputs;
  } else {
    return 1;
  }
}

// Where a vector of the output lies, and its operands' offsets.
template <class Config, class Index>
struct Place {
  Index at[outputs<Config>() + Config::kInputs];
};

template <class Config, class Index, class Params>
PLANISH_DEVICE Place<Config, Index> locate(const Params& p, Index element) {
  constexpr int kOperands = outputs<Config>() + Config::kInputs;
  Place<Config, Index> place;
  PLANISH_UNROLL
  for (int o = 0; o < kOperands; ++o) place.at[o] = 0;
  Index rest = element;
  PLANISH_UNROLL
  for (int axis = Config::kRank - 1; axis >= 0; --axis) {
    Index index = rest;
    if (axis > 0) {
      const auto dim = static_cast<Index>(p.dims[axis]);
      rest = rest / dim;
      index -= rest * dim;
    }
    PLANISH_UNROLL
    for (int o = 0; o < kOperands; ++o)
      place.at[o] += index * static_cast<Index>(p.strides[o][axis]);
  }
  return place;
}

// 32-bit offsets wrap for negative strides; read back as signed they are right.
PLANISH_DEVICE i64 signed_offset(u32 offset) { return static_cast<i32>(offset); }
PLANISH_DEVICE i64 signed_offset(u64 offset) { return static_cast<i64>(offset); }

template <int kVector, class Config, class Params, class... Packs>
PLANISH_DEVICE void compute(const Params& p, const i64* offsets, const Packs&... packs) {
  using E = typename Config::Expression;
  if constexpr (outputs<Config>() == 1) {
    using Output = typename Config::Output;
    Pack<Output, kVector> y;
    PLANISH_UNROLL
    for (int e = 0; e < kVector; ++e) y.at[e] = E::apply(packs.at[e]...);
    store_pack(pointer<Output>(p.address[0]) + offsets[0], y);
  } else {
    static_assert(outputs<Config>() == 2, "one or two outputs");
    using Output0 = typename Config::Output0;
    using Output1 = typename Config::Output1;
    Pack<Output0, kVector> y0;
    Pack<Output1, kVector> y1;
    PLANISH_UNROLL
    for (int e = 0; e < kVector; ++e) E::apply(y0.at[e], y1.at[e], packs.at[e]...);
    store_pack(pointer<Output0>(p.address[0]) + offsets[0], y0);
    store_pack(pointer<Output1>(p.address[1]) + offsets[1], y1);
  }
}

// Reads the inputs one after another, then computes.
template <int kVector, class Config, int kIndex, class Params, class... Packs>
PLANISH_DEVICE void gather(const Params& p, const i64* offsets, const Packs&... packs) {
  if constexpr (kIndex == Config::kInputs) {
    compute<kVector, Config>(p, offsets, packs...);
  } else {
    using T = typename InputOf<Config, kIndex>::Type;
    constexpr int kOperand = outputs<Config>() + kIndex;
    const T* from = pointer<const T>(p.address[kOperand]) + offsets[kOperand];
    Pack<T, kVector> pack;
    if constexpr (InputOf<Config, kIndex>::kInner == 0 && kVector > 1) {
      const T one = load(from);
      PLANISH_UNROLL
      for (int e = 0; e < kVector; ++e) pack.at[e] = one;
    } else {
      pack = load_pack<kVector>(from);
    }
    gather<kVector, Config, kIndex + 1>(p, offsets, packs..., pack);
  }
}

template <int kVector, class Config, class Index, class Params>
PLANISH_DEVICE void at_element(const Params& p, Index element) {
  constexpr int kOperands = outputs<Config>() + Config::kInputs;
  const Place<Config, Index> place = locate<Config, Index>(p, element);
  i64 offsets[kOperands];
  PLANISH_UNROLL
  for (int o = 0; o < kOperands; ++o) offsets[o] = signed_offset(place.at[o]);
  gather<kVector, Config, 0>(p, offsets);
}

template <class Config, class Index, class Params>
PLANISH_DEVICE void run(const Params& p) {
  constexpr int kVector = Config::kVector;
  const auto size = static_cast<Index>(p.size);
  const Index width = static_cast<Index>(block_threads()) * kVector;
  const Index first = static_cast<Index>(block_x()) * width * Config::kUnroll +
                      static_cast<Index>(thread_index()) * kVector;
  PLANISH_UNROLL
  for (int u = 0; u < Config::kUnroll; ++u) {
    const Index element = first + static_cast<Index>(u) * width;
    if (element < size && size - element >= kVector) {
      at_element<kVector, Config, Index>(p, element);
    } else if (kVector > 1 && element < size) {
      for (Index e = element; e < size; ++e) at_element<1, Config, Index>(p, e);
    }
  }
}

}  // namespace pointwise_detail

template <class Config>
using PointwiseParamsOf =
    PointwiseParams<pointwise_detail::outputs<Config>() + Config::kInputs, Config::kRank>;

template <class Config>
PLANISH_DEVICE void pointwise_kernel(const PointwiseParamsOf<Config>& p) {
  static_assert(Config::kInputs <= kMaxPointwiseInputs, "too many inputs for one pointwise kernel");
  release_successor();
  wait_for_predecessor();
  if constexpr (Config::kWide) {
    pointwise_detail::run<Config, u64>(p);
  } else {
    pointwise_detail::run<Config, u32>(p);
  }
}

}  // namespace planish
