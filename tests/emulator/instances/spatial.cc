// SPDX-License-Identifier: Apache-2.0
#include "pool.cuh"
#include "transpose.cuh"

namespace planish {

struct Exchange {
  using Input = f32;
  using Output = f16;
  static constexpr int kBatchAxes = 2;
};
struct Bytes : Exchange {
  using Input = u8;
  using Output = u8;
};
struct Pixels : Exchange {
  static constexpr int kBatchAxes = 1, kChannels = 3, kPadded = 4;
};
struct Planes : Pixels {
  using Input = f16;
  using Output = f32;
};

struct MaxPool {
  using Input = f16;
  using Output = f16;
  using Tail = NoTail;
  static constexpr int kKind = kPoolMax, kVector = 4;
  static constexpr bool kChannelsLast = true;
};
struct MeanPool : MaxPool {
  using Input = f32;
  using Output = f32;
  static constexpr int kKind = kPoolMean, kVector = 1;
  static constexpr bool kChannelsLast = false;
};
struct MeanPoolPadded : MeanPool {
  static constexpr int kKind = kPoolMeanPadded;
};
struct MaxPoolBytes : MeanPool {
  using Input = i8;
  using Output = i8;
  static constexpr int kKind = kPoolMax;
};

}  // namespace planish

#define KERNEL(name, kernel, Params, Config)                                       \
  extern "C" PLANISH_KERNEL(256, 1) void name(PLANISH_PARAMS(planish::Params) p) { \
    planish::kernel<planish::Config>(p);                                           \
  }
KERNEL(exchange, transpose_kernel, TransposeParams, Exchange)
KERNEL(exchange_bytes, transpose_kernel, TransposeParams, Bytes)
KERNEL(interleave, interleave_kernel, TransposeParams, Pixels)
KERNEL(deinterleave, deinterleave_kernel, TransposeParams, Planes)
KERNEL(max_pool, pool_kernel, PoolParams, MaxPool)
KERNEL(mean_pool, pool_kernel, PoolParams, MeanPool)
KERNEL(mean_pool_padded, pool_kernel, PoolParams, MeanPoolPadded)
KERNEL(max_pool_bytes, pool_kernel, PoolParams, MaxPoolBytes)
