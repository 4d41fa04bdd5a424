// SPDX-License-Identifier: Apache-2.0
#include "row_norm.cuh"
#include "softmax.cuh"

namespace planish {

struct AddOne {
  static constexpr int kOperands = 1;
  using Operand0 = f16;
  static constexpr bool kColumn0 = false, kDense0 = true;
  static PLANISH_DEVICE float apply(float x, const float* in) { return x + in[0]; }
};

struct WarpRows {
  using Input = f16;
  using Output = f16;
  using Tail = NoTail;
  static constexpr int kWarps = 1, kRows = 4, kVector = 8, kItems = 2;
  static constexpr bool kStream = false, kLog = false;
};
struct BlockRows : WarpRows {
  using Input = f32;
  using Output = f32;
  static constexpr int kWarps = 4, kRows = 1, kVector = 1, kItems = 3;
  static constexpr bool kLog = true;
};
struct StreamedRows : BlockRows {
  using Tail = AddOne;
  static constexpr int kItems = 1;
  static constexpr bool kStream = true, kLog = false;
};

struct LayerNorm : WarpRows {
  using Scale = f32;
  static constexpr bool kCentred = true, kResidual = true, kKeepSum = true;
  static constexpr bool kHasScale = true, kHasBias = true;
  static constexpr int kLayout = kRowNormPlain;
};
struct RmsNorm : LayerNorm {
  using Input = f32;
  using Output = f32;
  using Tail = AddOne;
  static constexpr int kWarps = 4, kRows = 1, kVector = 4, kItems = 1;
  static constexpr bool kCentred = false, kResidual = false, kKeepSum = false, kHasBias = false;
};
struct GroupNormPlanes : LayerNorm {
  static constexpr int kWarps = 2, kRows = 1, kVector = 1, kItems = 1;
  static constexpr bool kStream = true, kResidual = false, kKeepSum = false;
  static constexpr int kLayout = kRowNormPlanes;
};
struct GroupNormPixels : GroupNormPlanes {
  static constexpr int kVector = 2, kItems = 4;
  static constexpr bool kStream = false;
  static constexpr int kLayout = kRowNormPixels;
};

}  // namespace planish

#define SOFTMAX(name, Config)                                                             \
  extern "C" PLANISH_KERNEL(128, 1) void name(PLANISH_PARAMS(planish::SoftmaxParams) p) { \
    planish::softmax_kernel<planish::Config>(p);                                          \
  }
#define NORM(name, Config)                                                                \
  extern "C" PLANISH_KERNEL(128, 1) void name(PLANISH_PARAMS(planish::RowNormParams) p) { \
    planish::row_norm_kernel<planish::Config>(p);                                         \
  }
SOFTMAX(warp_rows, WarpRows)
SOFTMAX(block_rows, BlockRows)
SOFTMAX(streamed_rows, StreamedRows)
NORM(layer_norm, LayerNorm)
NORM(rms_norm, RmsNorm)
NORM(group_norm_planes, GroupNormPlanes)
NORM(group_norm_pixels, GroupNormPixels)
