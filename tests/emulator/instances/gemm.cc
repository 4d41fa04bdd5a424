// SPDX-License-Identifier: Apache-2.0
#include "gemm.cuh"

#include "gemm_simt.cuh"

namespace planish {

struct BiasReluResidual {
  static constexpr int kOperands = 2;
  using Operand0 = f32;
  using Operand1 = f16;
  static constexpr bool kColumn0 = true, kColumn1 = false, kDense1 = true;
  static PLANISH_DEVICE float apply(float x, const float* in) {
    return pointwise::relu(x + in[0]) + in[1];
  }
};
// One value a row, and one for all.
struct ScaleRows {
  static constexpr int kOperands = 2;
  using Operand0 = f32;
  using Operand1 = f32;
  static constexpr bool kColumn0 = false, kColumn1 = false;
  static PLANISH_DEVICE float apply(float x, const float* in) { return x * in[0] + in[1]; }
};

struct Half {
  using Input = f16;
  using Output = f16;
  using Tail = BiasReluResidual;
  static constexpr int kTileM = 64, kTileN = 64, kTileK = 32, kStages = 3;
  static constexpr int kWarpsM = 2, kWarpsN = 2, kWarpsK = 1;
  static constexpr bool kMajorKA = true, kMajorKB = true;
  static constexpr int kVectorA = 8, kVectorB = 8;
  static constexpr bool kConstantB = true, kSplit = false;
  static constexpr int kM = 0, kN = 0, kK = 0;
  static constexpr i64 kStrideA = 0, kStrideB = 0;
};
// Activations times activations, K the slow axis of both.
struct Transposed : Half {
  using Input = bf16;
  using Output = f32;
  using Tail = ScaleRows;
  static constexpr int kTileN = 32, kWarpsN = 1;
  static constexpr bool kMajorKA = false, kMajorKB = false, kConstantB = false;
};
// Nothing aligned; more warps than rows.
struct Ragged : Half {
  using Output = f32;
  using Tail = NoTail;
  static constexpr int kTileM = 16, kTileN = 32, kTileK = 64, kStages = 2;
  static constexpr int kWarpsM = 1, kWarpsN = 1, kWarpsK = 4;
  static constexpr int kVectorA = 1, kVectorB = 2;
};
struct Split : Half {
  static constexpr int kWarpsK = 2, kTileK = 64;
  static constexpr bool kSplit = true;
};
struct Clustered : Half {
  static constexpr bool kSplit = true;
  static constexpr int kCluster = 4;
};
struct Baked : Half {
  static constexpr int kM = 50, kN = 72, kK = 96, kTileM = 32, kWarpsM = 1;
  static constexpr i64 kStrideA = 96, kStrideB = 104;
};
struct Tf32 : Half {
  using Input = f32;
  using Output = f32;
  using Tail = NoTail;
  static constexpr int kTileK = 16, kVectorA = 4, kVectorB = 4;
};
struct Tf32Transposed : Tf32 {
  static constexpr bool kMajorKA = false, kMajorKB = false;
};
struct Exact : Tf32 {
  static constexpr bool kExact = true;
};
struct Int8 : Half {
  using Input = i8;
  using Output = i32;
  using Tail = NoTail;
  static constexpr int kTileK = 64, kVectorA = 16, kVectorB = 16;
};
struct Uint8 : Int8 {
  using Input = u8;
};
struct BigTile : Half {
  static constexpr int kTileM = 128, kTileN = 128, kWarpsM = 2, kWarpsN = 4;
};

// Warp groups; eight warps of two groups, four of one.
struct Together : Half {
  static constexpr int kTileM = 128, kTileN = 64, kTileK = 64, kStages = 4;
  static constexpr int kWarpsM = 8, kWarpsN = 1;
  static constexpr bool kWarpgroup = true;
};
struct TogetherWide : Together {
  using Input = bf16;
  using Output = f32;
  using Tail = NoTail;
  static constexpr int kTileM = 64, kTileN = 192, kStages = 3, kWarpsM = 4;
};
struct TogetherSplit : Together {
  static constexpr int kTileM = 64, kTileN = 32, kWarpsM = 4;
  static constexpr bool kSplit = true;
};

struct Strict {
  using InputA = f32;
  using InputB = f32;
  using Output = f32;
  using Sum = float;
  using Tail = ScaleRows;
  static constexpr int kTileM = 64, kTileN = 32;
};
struct Bytes : Strict {
  using InputA = u8;
  using InputB = i8;
  using Output = i32;
  using Sum = i32;
};
struct Twofold : Strict {
  using InputA = f64;
  using InputB = f64;
  using Output = f64;
  using Sum = double;
};

}  // namespace planish

#define GEMM(name, Config)                                                             \
  extern "C" PLANISH_KERNEL(planish::MmaTile<planish::Config>::kThreads, 1) void name( \
      PLANISH_PARAMS(planish::GemmParams) p) {                                         \
    planish::gemm_kernel<planish::Config>(p);                                          \
  }
#define SIMT(name, Config)                                                                 \
  extern "C" PLANISH_KERNEL(256, 1) void name(PLANISH_PARAMS(planish::GemmSimtParams) p) { \
    planish::gemm_simt_kernel<planish::Config>(p);                                         \
  }
GEMM(half, Half)
GEMM(transposed, Transposed)
GEMM(ragged, Ragged)
GEMM(split, Split)
GEMM(baked, Baked)
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
extern "C" PLANISH_KERNEL(128, 1)
    PLANISH_CLUSTER(4) void clustered(PLANISH_PARAMS(planish::GemmParams) p) {
  planish::gemm_kernel<planish::Clustered>(p);
}
#endif
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
GEMM(together, Together)
GEMM(together_wide, TogetherWide)
GEMM(together_split, TogetherSplit)
#endif
GEMM(tf32, Tf32)
GEMM(tf32_transposed, Tf32Transposed)
GEMM(exact, Exact)
GEMM(int8, Int8)
GEMM(uint8, Uint8)
GEMM(big_tile, BigTile)
SIMT(strict, Strict)
SIMT(bytes, Bytes)
SIMT(twofold, Twofold)
