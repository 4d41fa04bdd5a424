// SPDX-License-Identifier: Apache-2.0
// Reductions of f32 over any set of axes, and the index of the largest or smallest element.
//
// Sums run in several f32 accumulators for some thousand elements at most before they are added up
// in wider or fewer ones. Maxima and minima are NaN if an element is. A reduction over no elements
// gives the operation's neutral value (mean: NaN).
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/isa.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {

enum class ReduceOp : uint8_t {
  kSum,
  kMean,
  kMax,
  kMin,
  kProd,
  kSumSquare,
  kL1,
  kL2,
  kLogSum,
  kLogSumExp,
};
inline constexpr int kReduceOps = 10;
inline constexpr int kMaxReduceRank = 16;

struct ReduceParams {
  ReduceOp op = ReduceOp::kSum;
  const float* src = nullptr;  // dense, of shape dims
  float* dst = nullptr;        // dense, of shape dims without the reduced ones
  int rank = 0;
  int64_t dims[kMaxReduceRank] = {};
  bool reduced[kMaxReduceRank] = {};
  Isa isa = best_isa();
};

void run_reduce(const ReduceParams& params, ThreadPool& pool);

// dst[o, i] is the index along the axis of the largest (smallest) of src[o, :, i]. The first NaN
// wins; of equal elements the first, or the last if so asked. axis_size >= 1.
struct ArgReduceParams {
  const float* src = nullptr;
  int64_t* dst = nullptr;
  int64_t outer = 1;
  int64_t axis_size = 1;
  int64_t inner = 1;
  bool smallest = false;
  bool last_of_equals = false;
  Isa isa = best_isa();
};

void run_arg_reduce(const ArgReduceParams& params, ThreadPool& pool);

// By instruction set.

// What a reduction accumulates; the mean is a sum, say, until its end.
enum class Fold : uint8_t { kSum, kSumSquare, kSumAbs, kSumExp, kMax, kMin, kProd };
inline constexpr int kFolds = 7;

struct ReduceTable {
  // The fold of a dense run. kSumExp: of e^(x - offset).
  double (*run[kFolds])(const float* x, int64_t n, float offset);
  // acc[c] folds rows of x, `row_stride` apart. kSumExp: of e^(x - offset[c]).
  void (*rows[kFolds])(const float* x, int64_t row_stride, int64_t rows, int64_t cols,
                       const float* offset, float* acc);
  int64_t (*arg_run)(const float* x, int64_t n, bool smallest, bool last_of_equals);
};

namespace plain {
extern const ReduceTable kReduce;
}
namespace avx2 {
extern const ReduceTable kReduce;
}
namespace avx512 {
extern const ReduceTable kReduce;
}

inline const ReduceTable& reduce_table(Isa isa) {
  return by_isa(isa, plain::kReduce, avx2::kReduce, avx512::kReduce);
}

}  // namespace planish::cpu
