// SPDX-License-Identifier: Apache-2.0
// Means and variances for the normalisations.
#pragma once

#include <cmath>
#include <cstdint>

namespace planish {

struct Moments {
  double mean = 0;
  double variance = 0;  // of the population
};

// Of n elements; two passes, so that a large mean does not cancel.
template <class T>
Moments moments_of(const T* x, int64_t n) {
  Moments out;
  if (n == 0) return out;
  for (int64_t i = 0; i < n; ++i) out.mean += static_cast<double>(x[i]);
  out.mean /= static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(x[i]) - out.mean;
    out.variance += d * d;
  }
  out.variance /= static_cast<double>(n);
  return out;
}

}  // namespace planish
