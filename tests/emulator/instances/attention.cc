// SPDX-License-Identifier: Apache-2.0
#include "attention.cuh"

namespace planish {

struct Plain {
  using Input = f16;
  using Output = f16;
  using Mask = f32;
  static constexpr int kHead = 64, kHeadV = 64, kWarps = 4, kTileKeys = 64, kVector = 8;
  static constexpr bool kHasMask = false, kCausal = false, kSoftcap = false;
};
struct CausalGrouped : Plain {
  using Input = bf16;
  using Output = f32;
  static constexpr int kHead = 48, kHeadV = 32, kWarps = 2, kTileKeys = 32;
  static constexpr bool kCausal = true, kSoftcap = true;
};
struct Masked : Plain {
  using Mask = boolean;
  static constexpr int kHead = 40, kHeadV = 24, kTileKeys = 16, kVector = 2, kWarps = 1;
  static constexpr bool kHasMask = true;
};
struct Added : Plain {
  static constexpr int kHead = 128, kHeadV = 128, kWarps = 1;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
  static constexpr int kTileKeys = 16;  // more spill, as the lowering knows
#else
  static constexpr int kTileKeys = 32;
#endif
  static constexpr bool kHasMask = true;
};
struct Simt : Plain {
  using Input = f32;
  using Output = f32;
  static constexpr int kHead = 17, kHeadV = 35;
  static constexpr bool kHasMask = true, kCausal = true;
};

}  // namespace planish

#define ATTENTION(name, Config)                                         \
  extern "C" PLANISH_KERNEL(32 * planish::Config::kWarps, 1) void name( \
      PLANISH_PARAMS(planish::AttentionParams) p) {                     \
    planish::attention_kernel<planish::Config>(p);                      \
  }
ATTENTION(plain, Plain)
ATTENTION(causal_grouped, CausalGrouped)
ATTENTION(masked, Masked)
ATTENTION(added, Added)
extern "C" PLANISH_KERNEL(128, 1) void simt(PLANISH_PARAMS(planish::AttentionParams) p) {
  planish::attention_simt_kernel<planish::Simt>(p);
}
