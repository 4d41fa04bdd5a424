// SPDX-License-Identifier: Apache-2.0
#include "pointwise.cuh"

namespace planish::pointwise {

struct ScaledSum {
  static PLANISH_DEVICE f16 apply(f16 a, f32 b) {
    return stored<f16>(relu(add(computed(a), computed(b)) * 2.0f));
  }
};
struct Half {
  static constexpr int kRank = 1, kInputs = 2, kVector = 8, kUnroll = 2;
  static constexpr int kInner0 = 1, kInner1 = 0, kInnerOutput = 1;
  static constexpr bool kWide = false;
  using Input0 = f16;
  using Input1 = f32;
  using Output = f16;
  using Expression = ScaledSum;
};
struct HalfBroadcast : Half {
  static constexpr int kRank = 3, kVector = 4, kUnroll = 1;
  static constexpr int kInner1 = 1;
};

template <class T>
struct Identity {
  static PLANISH_DEVICE T apply(T x) { return x; }
};
template <class T>
struct StridedCopy {
  static constexpr int kRank = 4, kInputs = 1, kVector = 1, kUnroll = 1;
  static constexpr int kInner0 = -1, kInnerOutput = -1;
  static constexpr bool kWide = sizeof(T) == 8;
  using Input0 = T;
  using Output = T;
  using Expression = Identity<T>;
};

struct IntegerMath {
  static PLANISH_DEVICE void apply(i32& quotient, boolean& less, i32 a, i32 b) {
    quotient = div(a, b);
    less = stored<boolean>(lt(a, b));
  }
};
struct Integers {
  static constexpr int kRank = 1, kInputs = 2, kOutputs = 2, kVector = 4, kUnroll = 1;
  static constexpr int kInner0 = 1, kInner1 = 1, kInnerOutput = 1;
  static constexpr bool kWide = false;
  using Input0 = i32;
  using Input1 = i32;
  using Output0 = i32;
  using Output1 = boolean;
  using Expression = IntegerMath;
};

}  // namespace planish::pointwise

#define ENTRY(name, Config)                                                                      \
  extern "C" PLANISH_KERNEL(128, 1) void name(PLANISH_PARAMS(planish::PointwiseParamsOf<Config>) \
                                                  p) {                                           \
    planish::pointwise_kernel<Config>(p);                                                        \
  }
ENTRY(half, planish::pointwise::Half)
ENTRY(half_broadcast, planish::pointwise::HalfBroadcast)
ENTRY(copy_u8, planish::pointwise::StridedCopy<planish::u8>)
ENTRY(copy_f64, planish::pointwise::StridedCopy<planish::f64>)
ENTRY(integers, planish::pointwise::Integers)
