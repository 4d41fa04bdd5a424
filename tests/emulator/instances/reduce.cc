// SPDX-License-Identifier: Apache-2.0
#include "reduce.cuh"

namespace planish {

struct Halve {
  static constexpr int kOperands = 0;
  static PLANISH_DEVICE float apply(float x, const float*) { return 0.5f * x; }
};

struct MeanRows {  // [a, (b), c, (d)], d in vectors
  using Input = f16;
  using Output = f32;
  using Number = float;
  using Fold = FoldMean;
  using Tail = Halve;
  static constexpr int kKept = 2, kReduced = 2, kWarps = 4, kRows = 1, kVector = 4;
  static constexpr bool kColumns = false;
};
struct WarpRows : MeanRows {
  static constexpr int kWarps = 1, kRows = 4;
};
struct SumColumns : MeanRows {  // [a, (b), c]
  using Fold = FoldSum;
  using Tail = NoTail;
  static constexpr int kReduced = 1, kVector = 2;
  static constexpr bool kColumns = true;
};
template <class T, class N, class F>
struct Of : MeanRows {
  using Input = T;
  using Output = T;
  using Number = N;
  using Fold = F;
  using Tail = NoTail;
  static constexpr int kVector = 1;
};
struct ArgMax : MeanRows {
  using Input = f16;
  static constexpr int kReduced = 1, kWarps = 1, kRows = 4;
  static constexpr bool kLargest = true, kLastIndex = false;
};
struct ArgMinLast : ArgMax {
  static constexpr bool kLargest = false, kLastIndex = true;
};

}  // namespace planish

#define REDUCE(name, ...)                                                                \
  extern "C" PLANISH_KERNEL(128, 1) void name(PLANISH_PARAMS(planish::ReduceParams) p) { \
    planish::reduce_kernel<__VA_ARGS__>(p);                                              \
  }
#define ARG_REDUCE(name, Config)                                                         \
  extern "C" PLANISH_KERNEL(128, 1) void name(PLANISH_PARAMS(planish::ReduceParams) p) { \
    planish::arg_reduce_kernel<planish::Config>(p);                                      \
  }
REDUCE(mean_rows, planish::MeanRows)
REDUCE(warp_rows, planish::WarpRows)
REDUCE(sum_columns, planish::SumColumns)
REDUCE(max_f32, planish::Of<planish::f32, float, planish::FoldMax>)
REDUCE(min_f64, planish::Of<planish::f64, double, planish::FoldMin>)
REDUCE(product_i32, planish::Of<planish::i32, planish::i64, planish::FoldProduct>)
REDUCE(max_i8, planish::Of<planish::i8, planish::i64, planish::FoldMax>)
REDUCE(l1, planish::Of<planish::f32, float, planish::FoldL1>)
REDUCE(l2, planish::Of<planish::f32, float, planish::FoldL2>)
REDUCE(sum_square, planish::Of<planish::f32, float, planish::FoldSumSquare>)
REDUCE(log_sum, planish::Of<planish::f32, float, planish::FoldLogSum>)
ARG_REDUCE(arg_max, ArgMax)
ARG_REDUCE(arg_min_last, ArgMinLast)
