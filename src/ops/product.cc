// SPDX-License-Identifier: Apache-2.0
#include "ops/product.h"

#include <algorithm>

namespace planish {
namespace {

constexpr int64_t kSharedRows = 4;       // rows of `a` that share one reading of `b`
constexpr int64_t kCachedColumns = 512;  // columns whose sums stay in the first-level cache
constexpr int64_t kProductLanes = 8;     // a fixed count, which compilers turn into vectors

template <class Sum, class T>
void add_scaled(int64_t n, T factor, const T* __restrict in, Sum* __restrict sum) {
  const auto f = static_cast<Sum>(factor);
  int64_t j = 0;
  for (; j + kProductLanes <= n; j += kProductLanes)
    for (int64_t lane = 0; lane < kProductLanes; ++lane)
      sum[j + lane] += f * static_cast<Sum>(in[j + lane]);
  for (; j < n; ++j) sum[j] += f * static_cast<Sum>(in[j]);
}

template <class Sum, class T>
void multiply_blocked(int64_t m, int64_t n, int64_t k, const T* a, const T* b, Sum* out) {
  std::fill(out, out + m * n, Sum{});
  for (int64_t j = 0; j < n; j += kCachedColumns) {
    const int64_t width = std::min(kCachedColumns, n - j);
    for (int64_t i = 0; i < m; i += kSharedRows) {
      const int64_t last = std::min(i + kSharedRows, m);
      for (int64_t p = 0; p < k; ++p)
        for (int64_t row = i; row < last; ++row)
          add_scaled<Sum, T>(width, a[row * k + p], b + p * n + j, out + row * n + j);
    }
  }
}

}  // namespace

void matrix_product(int64_t m, int64_t n, int64_t k, const float* a, const float* b, double* out) {
  multiply_blocked<double>(m, n, k, a, b, out);
}

void matrix_product(int64_t m, int64_t n, int64_t k, const double* a, const double* b,
                    double* out) {
  multiply_blocked<double>(m, n, k, a, b, out);
}

void matrix_product(int64_t m, int64_t n, int64_t k, const int64_t* a, const int64_t* b,
                    int64_t* out) {
  // Unsigned, so that overflow wraps.
  multiply_blocked<uint64_t>(m, n, k, reinterpret_cast<const uint64_t*>(a),
                             reinterpret_cast<const uint64_t*>(b),
                             reinterpret_cast<uint64_t*>(out));
}

}  // namespace planish
