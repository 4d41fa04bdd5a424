// SPDX-License-Identifier: Apache-2.0
#include "fill.cuh"
#include "gather.cuh"
#include "resize.cuh"
#include "scan.cuh"
#include "scatter.cuh"

namespace planish {

struct Gather2 {
  using Element = u16;
  using Index = i64;
  static constexpr int kVector = 2, kRank = 2;
};
struct GatherWords : Gather2 {
  using Element = u32;
  using Index = i32;
  static constexpr int kRank = 3;
};
struct ScatterAdd {
  using Element = f16;
  using Index = i64;
  using Join = JoinAdd;
  static constexpr int kRank = 1;
};
struct ScatterSet : ScatterAdd {
  using Element = i32;
  using Index = i32;
  using Join = JoinSet;
  static constexpr int kRank = 2;
};
template <int mode>
struct Padded {
  using Element = u16;
  static constexpr int kRank = 2, kMode = mode;
};
struct Upper {
  using Element = f32;
  static constexpr bool kUpper = true;
};
struct OneHot {
  using Element = i32;
  using Index = i64;
};
struct SumLines {
  using Element = f32;
  using Number = float;
  using Join = FoldSum;
  static constexpr bool kExclusive = false, kReverse = false, kWarp = false;
};
struct SumReversed : SumLines {
  using Element = i32;
  using Number = i64;
  static constexpr bool kExclusive = true, kReverse = true, kWarp = true;
};
struct TopK {
  using Element = f16;
  using Number = float;
  static constexpr bool kLargest = true;
  static constexpr int kWarps = 2;
};
struct TopKLeast : TopK {
  using Element = i64;
  using Number = i64;
  static constexpr bool kLargest = false;
};
struct Bilinear {
  using Input = f16;
  using Output = f16;
  static constexpr int kTaps0 = 1, kTaps1 = 2, kTaps2 = 2, kVector = 4;
  static constexpr bool kNearest = false, kChannelsLast = true;
};
struct Nearest : Bilinear {
  static constexpr int kTaps1 = 1, kTaps2 = 1, kVector = 1;
  static constexpr bool kNearest = true, kChannelsLast = false;
};

}  // namespace planish

#define KERNEL(name, kernel, Params, ...)                                         \
  extern "C" PLANISH_KERNEL(64, 1) void name(PLANISH_PARAMS(planish::Params) p) { \
    planish::kernel<planish::__VA_ARGS__>(p);                                     \
  }
KERNEL(gather, gather_kernel, GatherParams, Gather2)
KERNEL(gather_elements, gather_elements_kernel, GatherParams, GatherWords)
KERNEL(gather_nd, gather_nd_kernel, GatherParams, Gather2)
KERNEL(scatter_elements_add, scatter_elements_kernel, ScatterParams, ScatterAdd)
KERNEL(scatter_nd_add, scatter_nd_kernel, ScatterParams, ScatterAdd)
KERNEL(scatter_nd_set, scatter_nd_kernel, ScatterParams, ScatterSet)
KERNEL(pad_value, pad_kernel, PadParams, Padded<planish::kPadValue>)
KERNEL(pad_edge, pad_kernel, PadParams, Padded<planish::kPadEdge>)
KERNEL(pad_reflect, pad_kernel, PadParams, Padded<planish::kPadReflect>)
KERNEL(pad_wrap, pad_kernel, PadParams, Padded<planish::kPadWrap>)
KERNEL(upper, trilu_kernel, TriluParams, Upper)
KERNEL(one_hot, one_hot_kernel, OneHotParams, OneHot)
KERNEL(sum_lines, scan_kernel, ScanParams, SumLines)
KERNEL(sum_reversed, scan_kernel, ScanParams, SumReversed)
KERNEL(top_k, top_k_kernel, ScanParams, TopK)
KERNEL(top_k_least, top_k_kernel, ScanParams, TopKLeast)
KERNEL(bilinear, resize_kernel, ResizeParams, Bilinear)
KERNEL(nearest, resize_kernel, ResizeParams, Nearest)
