// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/norm.h"

#include "backend/cpu/kernels/reduce_lanes.h"

namespace planish::cpu::PLANISH_ISA {

namespace {

double run_sum(const float* x, int64_t n) {
  return sum_run(x, n, [](Vec v) { return v; });
}

double run_squared_deviations(const float* x, int64_t n, float mean) {
  const Vec center = Vec::broadcast(mean);
  return sum_run(x, n, [center](Vec v) {
    const Vec d = v - center;
    return d * d;
  });
}

// Adds the operands of a row that come before the normalisation into `to`.
void add_skip(const RowNormParams& p, int64_t row, float* to) {
  const float* x = p.x + row * p.cols;
  const int64_t skip_row = p.skip_rows > 0 ? row % p.skip_rows : row;
  const float* skip = p.skip == nullptr ? nullptr : p.skip + skip_row * p.cols;
  for (int64_t i = 0; i < p.cols; i += kLanes) {
    const int64_t left = p.cols - i;
    Vec v = load_up_to(x + i, left);
    if (skip != nullptr) v = v + load_up_to(skip + i, left);
    if (p.skip_bias != nullptr) v = v + load_up_to(p.skip_bias + i, left);
    store_up_to(v, to + i, left);
  }
}

template <bool scaled, bool biased>
void normalise(const RowNormParams& p, const float* x, float* y, float mean, float inverse) {
  const Vec center = Vec::broadcast(mean);
  const Vec factor = Vec::broadcast(inverse);
  for (int64_t i = 0; i < p.cols; i += kLanes) {
    const int64_t left = p.cols - i;
    Vec v = (load_up_to(x + i, left) - center) * factor;
    if constexpr (scaled) v = v * load_up_to(p.scale + i, left);
    if constexpr (biased) v = v + load_up_to(p.bias + i, left);
    store_up_to(v, y + i, left);
  }
}

void row(const RowNormParams& p, int64_t row) {
  const float* x = p.x + row * p.cols;
  float* y = p.y + row * p.cols;
  if (p.skip != nullptr || p.skip_bias != nullptr) {
    float* to = p.sum != nullptr ? p.sum + row * p.cols : y;
    add_skip(p, row, to);
    x = to;
  } else if (p.sum != nullptr) {
    __builtin_memmove(p.sum + row * p.cols, x, static_cast<size_t>(p.cols) * sizeof(float));
  }
  const auto n = static_cast<double>(p.cols);
  const float mean = p.rms ? 0.0f : static_cast<float>(run_sum(x, p.cols) / n);
  const double variance = run_squared_deviations(x, p.cols, mean) / n;
  const auto inverse =
      static_cast<float>(1.0 / __builtin_sqrt(variance + static_cast<double>(p.epsilon)));
  if (p.scale != nullptr && p.bias != nullptr) {
    normalise<true, true>(p, x, y, mean, inverse);
  } else if (p.scale != nullptr) {
    normalise<true, false>(p, x, y, mean, inverse);
  } else if (p.bias != nullptr) {
    normalise<false, true>(p, x, y, mean, inverse);
  } else {
    normalise<false, false>(p, x, y, mean, inverse);
  }
  if (p.mean != nullptr) p.mean[row] = mean;
  if (p.inverse_deviation != nullptr) p.inverse_deviation[row] = inverse;
}

void affine(const float* x, float* y, int64_t n, float center, float factor, float term) {
  const Vec m = Vec::broadcast(center);
  const Vec f = Vec::broadcast(factor);
  const Vec t = Vec::broadcast(term);
  for (int64_t i = 0; i < n; i += kLanes) {
    store_up_to(fma(load_up_to(x + i, n - i) - m, f, t), y + i, n - i);
  }
}

void column_sums(const float* x, int64_t row_stride, int64_t rows, int64_t cols, const float* mean,
                 double* out) {
  constexpr int64_t kRowChunk = 64;
  for (int64_t c = 0; c < cols; c += kLanes) {
    const int64_t left = cols - c;
    const Vec center = mean == nullptr ? zero() : load_up_to(mean + c, left);
    for (int64_t first = 0; first < rows; first += kRowChunk) {
      const int64_t last = least(rows, first + kRowChunk);
      Vec total = zero();
      for (int64_t r = first; r < last; ++r) {
        const Vec d = load_up_to(x + r * row_stride + c, left) - center;
        total = mean == nullptr ? total + d : fma(d, d, total);
      }
      alignas(64) float lane[kLanes];
      total.store(lane);
      for (int64_t i = 0; i < least<int64_t>(kLanes, left); ++i) out[c + i] += lane[i];
    }
  }
}

void column_affine(const float* x, float* y, int64_t row_stride, int64_t rows, int64_t cols,
                   const float* center, const float* factor, const float* term) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = x + r * row_stride;
    float* to = y + r * row_stride;
    for (int64_t c = 0; c < cols; c += kLanes) {
      const int64_t left = cols - c;
      const Vec d = load_up_to(from + c, left) - load_up_to(center + c, left);
      store_up_to(fma(d, load_up_to(factor + c, left), load_up_to(term + c, left)), to + c, left);
    }
  }
}

}  // namespace

extern const NormTable kNorm;
constinit const NormTable kNorm = {row,    run_sum,     run_squared_deviations,
                                   affine, column_sums, column_affine};

}  // namespace planish::cpu::PLANISH_ISA
