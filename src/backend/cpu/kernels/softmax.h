// SPDX-License-Identifier: Apache-2.0
// Softmax and log-softmax over one axis of a dense f32 tensor seen as [outer, axis, inner].
//
// A NaN in a slice makes the slice NaN. dst may be src.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/isa.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {

struct SoftmaxParams {
  const float* src = nullptr;
  float* dst = nullptr;
  int64_t outer = 1;
  int64_t axis_size = 1;
  int64_t inner = 1;
  bool logarithm = false;
  Isa isa = best_isa();
};

void run_softmax(const SoftmaxParams& params, ThreadPool& pool);

// By instruction set.

struct SoftmaxTable {
  void (*run)(const float* x, float* y, int64_t n, bool logarithm);
  // Columns of n rows, `stride` apart.
  void (*columns)(const float* x, float* y, int64_t n, int64_t stride, int64_t cols,
                  bool logarithm);
};

namespace plain {
extern const SoftmaxTable kSoftmax;
}
namespace avx2 {
extern const SoftmaxTable kSoftmax;
}
namespace avx512 {
extern const SoftmaxTable kSoftmax;
}

inline const SoftmaxTable& softmax_table(Isa isa) {
  return by_isa(isa, plain::kSoftmax, avx2::kSoftmax, avx512::kSoftmax);
}

}  // namespace planish::cpu
