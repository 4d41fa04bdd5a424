// SPDX-License-Identifier: Apache-2.0
#include "conv.cuh"

#include "conv_depthwise.cuh"

namespace planish {

struct BiasResidual {
  static constexpr int kOperands = 2;
  using Operand0 = f32;
  using Operand1 = f32;
  static constexpr bool kColumn0 = true, kColumn1 = false, kDense1 = true;
  static PLANISH_DEVICE float apply(float x, const float* in) {
    return pointwise::relu(x + in[0]) + in[1];
  }
};

// 3 x 3, stride 2, dilated in width, channels in vectors.
struct Conv3x3 {
  using Input = f16;
  using Output = f32;
  using Tail = BiasResidual;
  static constexpr int kTileM = 32, kTileN = 32, kTileK = 32, kStages = 3;
  static constexpr int kWarpsM = 2, kWarpsN = 1, kWarpsK = 1;
  static constexpr bool kMajorKA = true, kMajorKB = true, kSplit = false;
  static constexpr int kVectorA = 8, kVectorB = 8, kChannels = 24;
  static constexpr int kKernelD = 1, kKernelH = 3, kKernelW = 3;
  static constexpr int kStrideD = 1, kStrideH = 2, kStrideW = 1;
  static constexpr int kDilationD = 1, kDilationH = 1, kDilationW = 2;
  static constexpr int kPadD = 0, kPadH = 1, kPadW = 2;
  static constexpr int kUpD = 1, kUpH = 1, kUpW = 1;
  static constexpr int kDepth = 1, kHeight = 0, kWidth = 0;
  static constexpr int kOutDepth = 1, kOutHeight = 0, kOutWidth = 0;
};
struct WholeTaps : Conv3x3 {  // channels fill whole steps
  static constexpr int kChannels = 64;
};
struct TapsTogether : Conv3x3 {
  static constexpr int kTileM = 64, kTileN = 32, kTileK = 64, kWarpsM = 4, kChannels = 64;
  static constexpr bool kWarpgroup = true;
};
struct Stem : Conv3x3 {  // 7 x 7, stride 2, three channels padded to four
  static constexpr int kVectorA = 4, kChannels = 4, kKernelH = 7, kKernelW = 7;
  static constexpr int kStrideW = 2, kDilationW = 1, kPadH = 3, kPadW = 3;
};
struct OddChannels : Conv3x3 {
  using Input = bf16;
  static constexpr int kVectorA = 1, kChannels = 5, kWarpsK = 2;
};
struct Volume : Conv3x3 {
  static constexpr int kKernelD = 2, kStrideD = 2, kPadD = 1, kDepth = 0, kOutDepth = 0;
  static constexpr int kVectorA = 2, kChannels = 6;
};
struct Upward : Conv3x3 {  // transposed, stride 2
  static constexpr int kUpH = 2, kUpW = 3, kStrideH = 1, kDilationW = 1, kPadH = 1, kPadW = 2;
  static constexpr int kChannels = 16;
};
struct SplitConv : Conv3x3 {
  static constexpr bool kSplit = true;
  static constexpr int kHeight = 7, kWidth = 6, kOutHeight = 4, kOutWidth = 6;
};
struct ClusteredConv : Conv3x3 {
  static constexpr bool kSplit = true;
  static constexpr int kCluster = 2, kWarpsK = 2, kTileK = 64;
};
struct Tf32Conv : Conv3x3 {
  using Input = f32;
  static constexpr int kTileK = 16, kVectorA = 4, kVectorB = 4;
};

// Sums of bytes, scaled to bytes again.
struct Requantise {
  static constexpr int kOperands = 1;
  using Operand0 = f32;
  static constexpr bool kColumn0 = true;
  static PLANISH_DEVICE float apply(float x, const float* in) {
    return pointwise::computed(pointwise::quantised<i8>(x * in[0], 3.0f));
  }
};
struct ByteConv : Conv3x3 {
  using Input = i8;
  using Output = i8;
  using Tail = Requantise;
  static constexpr int kTileK = 64, kVectorA = 8, kVectorB = 8;
};

struct Depthwise3x3 {
  using Input = f16;
  using Output = f32;
  using Tail = BiasResidual;
  static constexpr int kVector = 8, kPixels = 4;
  static constexpr int kKernelH = 3, kKernelW = 3, kStrideH = 1, kStrideW = 1;
  static constexpr int kDilationH = 1, kDilationW = 1, kPadH = 1, kPadW = 1;
};
struct Depthwise5x5 : Depthwise3x3 {
  using Input = f32;
  static constexpr int kVector = 1, kPixels = 3, kKernelH = 5, kKernelW = 5, kStrideH = 2,
                       kStrideW = 2, kDilationW = 2, kPadH = 2, kPadW = 3;
};

}  // namespace planish

#define CONV(name, Config)                                                             \
  extern "C" PLANISH_KERNEL(planish::MmaTile<planish::Config>::kThreads, 1) void name( \
      PLANISH_PARAMS(planish::ConvParams) p) {                                         \
    planish::conv_kernel<planish::Config>(p);                                          \
  }
#define DEPTHWISE(name, Config)                                                                 \
  extern "C" PLANISH_KERNEL(128, 1) void name(PLANISH_PARAMS(planish::ConvDepthwiseParams) p) { \
    planish::conv_depthwise_kernel<planish::Config>(p);                                         \
  }
CONV(conv3x3, Conv3x3)
CONV(whole_taps, WholeTaps)
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
CONV(taps_together, TapsTogether)
#endif
CONV(stem, Stem)
CONV(byte_conv, ByteConv)
CONV(odd_channels, OddChannels)
CONV(volume, Volume)
CONV(upward, Upward)
CONV(split_conv, SplitConv)
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
extern "C" PLANISH_KERNEL(128, 1)
    PLANISH_CLUSTER(2) void clustered_conv(PLANISH_PARAMS(planish::ConvParams) p) {
  planish::conv_kernel<planish::ClusteredConv>(p);
}
#endif
CONV(tf32_conv, Tf32Conv)
DEPTHWISE(depthwise3x3, Depthwise3x3)
DEPTHWISE(depthwise5x5, Depthwise5x5)
