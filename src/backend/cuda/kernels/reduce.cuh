// SPDX-License-Identifier: Apache-2.0
// y[kept] = Tail(Fold over the reduced axes of x), any axes. The host collapses the axes to kKept
// kept and kReduced reduced ones (innermost last), each with a size and strides in elements.
//
//   struct Config {
//     using Input = f16; using Output = f32;
//     // FoldSum, FoldMean, FoldMax, FoldMin, FoldProduct, FoldL1, FoldL2, FoldSumSquare or
//     // FoldLogSum.
//     using Fold = FoldSum;
//     using Number = float;  // computed in: float, double, i64, u64
//     using Tail = NoTail;   // only with Number float: 0, index of y, 0
//     static constexpr int kKept = 1, kReduced = 1;  // axes, 0 to 4
//     static constexpr int kWarps = 4, kRows = 1;    // a block has kWarps * kRows warps
//     static constexpr int kVector = 8;
//     static constexpr bool kColumns = false;
//   };
//
// kColumns false: kWarps warps fold one element of y, walking along the reduced axes, kVector
//   elements of the innermost at a time (its stride is 1 and its size a multiple of kVector; else
//   kVector 1). Where there is little to fold take kWarps = 1 and kRows elements of y a block.
// kColumns true: a thread folds kVector neighbouring elements of y (the innermost kept axis has
//   stride 1 in x and y and a size that is a multiple of kVector); the kWarps warps of a block
//   share the walk along the reduced axes and add up in shared memory. kRows is 1.
// arg_reduce_kernel gives the index along one reduced axis: Config::kLargest, kLastIndex.
//
// Grid x = reduce_blocks(); threads 32 * kWarps * kRows; shared memory reduce_shared_bytes().
// Empty reductions give Fold's neutral value. Cost: bytes x once + y; flops one an element.
#pragma once

#include "lanes.cuh"
#include "tail.cuh"

namespace planish {

inline constexpr int kMaxReduceAxes = 4;

struct ReduceParams {
  u64 x;
  u64 y;
  i64 kept;     // elements of y
  i64 reduced;  // elements folded for each
  i64 kept_dims[kMaxReduceAxes];
  i64 kept_x[kMaxReduceAxes];  // strides
  i64 kept_y[kMaxReduceAxes];
  i64 reduced_dims[kMaxReduceAxes];
  i64 reduced_x[kMaxReduceAxes];
  TailOperand tail[kMaxTailOperands];
};

PLANISH_CONSTEXPR i64 reduce_blocks(i64 kept, bool columns, i32 vector, i32 rows) {
  return columns ? ceil_div(kept, i64{32} * vector) : ceil_div(kept, static_cast<i64>(rows));
}
PLANISH_CONSTEXPR i32 reduce_shared_bytes(i32 warps, bool columns, i32 vector, i32 number_bytes) {
  return warps == 1 ? 0 : warps * number_bytes * (columns ? 32 * vector : 1);
}

// start(): neutral; take(x): an element's part; join(a, b); finish(state, count).
struct FoldSum {
  template <class N>
  static PLANISH_DEVICE N start() {
    return N(0);
  }
  template <class N>
  static PLANISH_DEVICE N take(N x) {
    return x;
  }
  template <class N>
  static PLANISH_DEVICE N join(N a, N b) {
    return pointwise::add(a, b);
  }
  template <class N>
  static PLANISH_DEVICE N finish(N a, i64) {
    return a;
  }
};
struct FoldMean : FoldSum {
  template <class N>
  static PLANISH_DEVICE N finish(N a, i64 count) {
    return a / static_cast<N>(count);
  }
};
struct FoldL1 : FoldSum {
  template <class N>
  static PLANISH_DEVICE N take(N x) {
    return pointwise::abs(x);
  }
};
struct FoldSumSquare : FoldSum {
  template <class N>
  static PLANISH_DEVICE N take(N x) {
    return pointwise::mul(x, x);
  }
};
struct FoldL2 : FoldSumSquare {
  template <class N>
  static PLANISH_DEVICE N finish(N a, i64) {
    if constexpr (pointwise::Kind<N>::is_real) {
      return pointwise::sqrt(a);
    } else {
      return static_cast<N>(pointwise::sqrt(static_cast<double>(a)));
    }
  }
};
struct FoldLogSum : FoldSum {
  template <class N>
  static PLANISH_DEVICE N finish(N a, i64) {
    if constexpr (pointwise::Kind<N>::is_real) {
      return pointwise::log(a);
    } else {
      return static_cast<N>(pointwise::log(static_cast<double>(a)));
    }
  }
};
struct FoldProduct : FoldSum {
  template <class N>
  static PLANISH_DEVICE N start() {
    return N(1);
  }
  template <class N>
  static PLANISH_DEVICE N join(N a, N b) {
    return pointwise::mul(a, b);
  }
};
struct FoldMax : FoldSum {
  template <class N>
  static PLANISH_DEVICE N start() {
    if constexpr (pointwise::Kind<N>::is_real) {
      return static_cast<N>(-pointwise::kInf);
    } else if constexpr (kSame<N, i64>) {
      return static_cast<N>(u64{1} << 63);
    } else {
      return N(0);
    }
  }
  template <class N>
  static PLANISH_DEVICE N join(N a, N b) {
    return pointwise::max(a, b);
  }
};
struct FoldMin : FoldSum {
  template <class N>
  static PLANISH_DEVICE N start() {
    if constexpr (pointwise::Kind<N>::is_real) {
      return static_cast<N>(pointwise::kInf);
    } else if constexpr (kSame<N, i64>) {
      return static_cast<N>(~u64{0} >> 1);
    } else {
      return static_cast<N>(~u64{0});
    }
  }
  template <class N>
  static PLANISH_DEVICE N join(N a, N b) {
    return pointwise::min(a, b);
  }
};

namespace reduce_detail {

template <int kAxes>
PLANISH_DEVICE i64 offset_of(i64 index, const i64* dims, const i64* strides) {
  i64 offset = 0;
  PLANISH_UNROLL
  for (int axis = kAxes - 1; axis >= 0; --axis) {
    i64 at = index;
    if (axis > 0) {
      // Sizes below 2^32 divide much faster.
      if ((index | dims[axis]) >> 32 == 0) {
        const u32 quotient = static_cast<u32>(index) / static_cast<u32>(dims[axis]);
        at = static_cast<u32>(index) - quotient * static_cast<u32>(dims[axis]);
        index = quotient;
      } else {
        const i64 quotient = index / dims[axis];
        at = index - quotient * dims[axis];
        index = quotient;
      }
    }
    offset += at * strides[axis];
  }
  return offset;
}

template <class Config, class N>
PLANISH_DEVICE void finish(const ReduceParams& p, i64 index, N state) {
  using Output = typename Config::Output;
  Output* y = pointer<Output>(p.y) + offset_of<Config::kKept>(index, p.kept_dims, p.kept_y);
  const N value = Config::Fold::finish(state, p.reduced);
  if constexpr (kSame<N, float>) {
    float x[1] = {value};
    apply_tail<typename Config::Tail>(p.tail, 0, index, 0, 1, x);
    store_row(y, 1, x);
  } else {
    store(y, pointwise::stored<Output>(value));
  }
}

template <class Config>
PLANISH_DEVICE void rows(const ReduceParams& p) {
  using N = typename Config::Number;
  using Fold = typename Config::Fold;
  constexpr int kVector = Config::kVector, kTeam = 32 * Config::kWarps;
  static_assert(Config::kWarps == 1 || Config::kRows == 1,
                "several elements of a block have a warp each");
  const i64 index =
      static_cast<i64>(block_x()) * Config::kRows + (Config::kWarps == 1 ? warp_index() : 0);
  if (index >= p.kept) return;
  const auto place = static_cast<i64>(Config::kWarps == 1 ? lane_index() : thread_index());
  const auto* x = pointer<const typename Config::Input>(p.x) +
                  offset_of<Config::kKept>(index, p.kept_dims, p.kept_x);
  N state = Fold::template start<N>();
  for (i64 at = place * kVector; at < p.reduced; at += kTeam * kVector) {
    const auto pack =
        load_pack<kVector>(x + offset_of<Config::kReduced>(at, p.reduced_dims, p.reduced_x));
    PLANISH_UNROLL
    for (int v = 0; v < kVector; ++v) {
      state = Fold::join(state, Fold::take(static_cast<N>(pointwise::computed(pack.at[v]))));
    }
  }
  state = fold_block<Fold, Config::kWarps>(state, shared_array<N>(0));
  if (place == 0) finish<Config>(p, index, state);
}

template <class Config>
PLANISH_DEVICE void columns(const ReduceParams& p) {
  using N = typename Config::Number;
  using Fold = typename Config::Fold;
  constexpr int kVector = Config::kVector;
  const i64 index = (static_cast<i64>(block_x()) * 32 + lane_index()) * kVector;
  const auto* x = pointer<const typename Config::Input>(p.x) +
                  offset_of<Config::kKept>(index, p.kept_dims, p.kept_x);
  N states[kVector];
  PLANISH_UNROLL
  for (int v = 0; v < kVector; ++v) states[v] = Fold::template start<N>();
  if (index < p.kept) {
    for (i64 at = warp_index(); at < p.reduced; at += Config::kWarps) {
      const auto pack =
          load_pack<kVector>(x + offset_of<Config::kReduced>(at, p.reduced_dims, p.reduced_x));
      PLANISH_UNROLL
      for (int v = 0; v < kVector; ++v) {
        states[v] =
            Fold::join(states[v], Fold::take(static_cast<N>(pointwise::computed(pack.at[v]))));
      }
    }
  }
  if constexpr (Config::kWarps > 1) {
    const Shared<N> room = shared_array<N>(0);
    PLANISH_UNROLL
    for (int v = 0; v < kVector; ++v) {
      room.set(static_cast<int>((warp_index() * kVector + v) * 32 + lane_index()), states[v]);
    }
    sync_block();
    if (warp_index() != 0) return;
    PLANISH_UNROLL
    for (int w = 1; w < Config::kWarps; ++w) {
      PLANISH_UNROLL
      for (int v = 0; v < kVector; ++v) {
        states[v] = Fold::join(states[v],
                               room.get((w * kVector + v) * 32 + static_cast<int>(lane_index())));
      }
    }
  }
  if (index >= p.kept) return;
  PLANISH_UNROLL
  for (int v = 0; v < kVector; ++v) finish<Config>(p, index + v, states[v]);
}

// Finds the larger of two (value, index) pairs.
template <class Config>
struct Best {
  using N = typename Config::Number;
  N value;
  i64 index;  // -1: none yet
  PLANISH_DEVICE void meet(N other, i64 at) {
    if (at < 0) return;
    // NaN is beaten by nothing.
    const bool is_better = index < 0 || (pointwise::is_nan(other)
                                             ? !pointwise::is_nan(value)
                                             : (Config::kLargest ? other > value : other < value));
    const bool is_equal =
        index >= 0 && (other == value || (pointwise::is_nan(other) && pointwise::is_nan(value)));
    if (is_better || (is_equal && (Config::kLastIndex ? at > index : at < index))) {
      value = other;
      index = at;
    }
  }
};

}  // namespace reduce_detail

template <class Config>
PLANISH_DEVICE void reduce_kernel(const ReduceParams& p) {
  release_successor();
  wait_for_predecessor();
  if constexpr (Config::kColumns) {
    reduce_detail::columns<Config>(p);
  } else {
    reduce_detail::rows<Config>(p);
  }
}

// y, of i64, gets the index along the one reduced axis (kReduced is 1). One warp an element of y,
// kRows of them a block. No shared memory.
template <class Config>
PLANISH_DEVICE void arg_reduce_kernel(const ReduceParams& p) {
  using N = typename Config::Number;
  release_successor();
  wait_for_predecessor();
  const i64 index = static_cast<i64>(block_x()) * Config::kRows + warp_index();
  if (index >= p.kept) return;
  const auto* x = pointer<const typename Config::Input>(p.x) +
                  reduce_detail::offset_of<Config::kKept>(index, p.kept_dims, p.kept_x);
  reduce_detail::Best<Config> best{N(0), -1};
  for (i64 at = lane_index(); at < p.reduced; at += 32) {
    best.meet(static_cast<N>(pointwise::computed(load(x + at * p.reduced_x[0]))), at);
  }
  PLANISH_UNROLL
  for (u32 step = 16; step > 0; step /= 2) {
    const N value = shuffle_xor(best.value, step);
    const i64 at = shuffle_xor(best.index, step);
    best.meet(value, at);
  }
  if (lane_index() == 0) {
    store(pointer<i64>(p.y) + reduce_detail::offset_of<Config::kKept>(index, p.kept_dims, p.kept_y),
          best.index);
  }
}

}  // namespace planish
