// SPDX-License-Identifier: Apache-2.0
#include "attention_decode.cuh"
#include "matvec.cuh"

namespace planish {

struct Bias {
  static constexpr int kOperands = 1;
  using Operand0 = f32;
  static constexpr bool kColumn0 = true;
  static PLANISH_DEVICE float apply(float x, const float* in) { return x + in[0]; }
};
struct Half {
  using Input = f16;
  using Output = f32;
  using Weight = f16;
  using Scale = f16;
  using Tail = Bias;
  static constexpr int kRows = 1, kOutputs = 2, kVector = 8, kWarps = 4, kWarpsK = 1, kAhead = 2;
  static constexpr int kBlock = 0, kZero = 0;
  static constexpr bool kHasZero = false;
};
struct ManyRows : Half {
  using Input = f32;
  using Weight = f32;
  static constexpr int kRows = 3, kOutputs = 1, kVector = 1, kWarpsK = 4, kAhead = 0;
};
struct FourBit : Half {
  using Weight = Nibbles;
  static constexpr int kVector = 16, kBlock = 32, kZero = 8;
};
struct EightBit : Half {
  using Input = bf16;
  using Weight = i8;
  using Scale = f32;
  static constexpr int kVector = 8, kBlock = 16, kWarpsK = 2;
  static constexpr bool kHasZero = true;
};

struct Decoded {
  using Input = f16;
  using Output = f32;
  using Mask = f32;
  static constexpr int kHead = 64, kGroup = 2, kWarps = 2;
  static constexpr bool kHasMask = true, kCausal = false, kSoftcap = false;
};
struct DecodedAlone : Decoded {
  using Input = f32;
  static constexpr int kHead = 16, kGroup = 1;
  static constexpr bool kHasMask = false;
};

}  // namespace planish

#define MATVEC(name, Config)                                                             \
  extern "C" PLANISH_KERNEL(128, 1) void name(PLANISH_PARAMS(planish::MatvecParams) p) { \
    planish::matvec_kernel<planish::Config>(p);                                          \
  }
#define DECODE(name, Config)                                                                     \
  extern "C" PLANISH_KERNEL(64, 1) void name(PLANISH_PARAMS(planish::AttentionDecodeParams) p) { \
    planish::attention_decode_kernel<planish::Config>(p);                                        \
  }
MATVEC(half, Half)
MATVEC(many_rows, ManyRows)
MATVEC(four_bit, FourBit)
MATVEC(eight_bit, EightBit)
DECODE(decoded, Decoded)
DECODE(decoded_alone, DecodedAlone)
