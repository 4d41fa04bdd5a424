// SPDX-License-Identifier: Apache-2.0
// Normalisations of f32: over rows (layer and RMS normalisation) and over groups of channels (group
// and instance normalisation).
//
// Two passes: the mean first, then the mean of the squared deviations. y may be x.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/isa.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {

// y = (v - mean) / sqrt(variance + epsilon) * scale + bias for each row of v = x (+ skip +
// skip_bias); rms: y = v / sqrt(mean(v^2) + epsilon) * scale + bias.
struct RowNormParams {
  const float* x = nullptr;
  float* y = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  const float* scale = nullptr;      // [cols], or null: 1
  const float* bias = nullptr;       // [cols], or null: 0
  const float* skip = nullptr;       // [rows, cols], or null: 0
  int64_t skip_rows = 0;             // rows of skip, which repeats after them; 0: as many as x has
  const float* skip_bias = nullptr;  // [cols], or null: 0
  float* sum = nullptr;              // [rows, cols]: receives v; may be x or skip
  float* mean = nullptr;             // [rows], or null: not wanted
  float* inverse_deviation = nullptr;
  float epsilon = 1e-5f;
  bool rms = false;
  Isa isa = best_isa();
};

void run_row_norm(const RowNormParams& params, ThreadPool& pool);

// Over the channels of a group and all positions: x is [batch, groups * group_channels, spatial],
// or channels last [batch, spatial, groups * group_channels].
struct GroupNormParams {
  const float* x = nullptr;
  float* y = nullptr;
  int64_t batch = 1;
  int64_t groups = 1;
  int64_t group_channels = 1;
  int64_t spatial = 1;
  const float* scale = nullptr;  // [channels], or null: 1
  const float* bias = nullptr;   // [channels], or null: 0
  bool channels_last = false;
  float epsilon = 1e-5f;
  Isa isa = best_isa();
};

// Channels last holds the statistics of a group in fixed memory: group_channels of at most this.
inline constexpr int64_t kMaxGroupChannelsLast = 2048;

void run_group_norm(const GroupNormParams& params, ThreadPool& pool);

// By instruction set.

struct NormTable {
  void (*row)(const RowNormParams& params, int64_t row);
  double (*sum)(const float* x, int64_t n);
  double (*squared_deviations)(const float* x, int64_t n, float mean);
  // y = (x - center) * factor + term; x * factor alone would lose what a great mean cancels.
  void (*affine)(const float* x, float* y, int64_t n, float center, float factor, float term);
  // out[c] += the sum over rows of (x - mean)^2, or of x where mean is null.
  void (*column_sums)(const float* x, int64_t row_stride, int64_t rows, int64_t cols,
                      const float* mean, double* out);
  void (*column_affine)(const float* x, float* y, int64_t row_stride, int64_t rows, int64_t cols,
                        const float* center, const float* factor, const float* term);
};

namespace plain {
extern const NormTable kNorm;
}
namespace avx2 {
extern const NormTable kNorm;
}
namespace avx512 {
extern const NormTable kNorm;
}

inline const NormTable& norm_table(Isa isa) {
  return by_isa(isa, plain::kNorm, avx2::kNorm, avx512::kNorm);
}

}  // namespace planish::cpu
