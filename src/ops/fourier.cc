// SPDX-License-Identifier: Apache-2.0
#include "ops/fourier.h"

#include <bit>
#include <cmath>
#include <numbers>
#include <utility>

namespace planish {
namespace {

using Complex = std::complex<double>;

// exp(-2 pi i numerator / denominator), conjugated if `inverse`.
Complex root(uint64_t numerator, uint64_t denominator, bool inverse) {
  const double angle =
      2 * std::numbers::pi * static_cast<double>(numerator) / static_cast<double>(denominator);
  return {std::cos(angle), inverse ? std::sin(angle) : -std::sin(angle)};
}

// Sizes that are powers of two: Cooley and Tukey's iterative form.
void transform_power_of_two(std::vector<Complex>& x, bool inverse) {
  const size_t n = x.size();
  for (size_t i = 1, j = 0; i < n; ++i) {
    size_t bit = n >> 1;
    for (; (j & bit) != 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(x[i], x[j]);
  }
  std::vector<Complex> roots(n / 2);
  for (size_t i = 0; i < roots.size(); ++i) roots[i] = root(i, n, inverse);
  for (size_t half = 1; half < n; half *= 2)
    for (size_t first = 0; first < n; first += 2 * half)
      for (size_t k = 0; k < half; ++k) {
        const Complex even = x[first + k], odd = x[first + k + half] * roots[k * (n / (2 * half))];
        x[first + k] = even + odd;
        x[first + k + half] = even - odd;
      }
}

// Other sizes: Bluestein's form, a convolution with a chirp: k n = (k^2 + n^2 - (k - n)^2) / 2.
void transform_any(std::vector<Complex>& x, bool inverse) {
  const size_t n = x.size(), padded = std::bit_ceil(2 * n - 1);
  std::vector<Complex> chirp(n), a(padded), b(padded);
  for (size_t i = 0; i < n; ++i) {
    // i^2 modulo 2 n, kept small so that the angle is exact.
    const auto square = static_cast<uint64_t>(static_cast<unsigned __int128>(i) * i % (2 * n));
    chirp[i] = root(square, 2 * n, inverse);
    a[i] = x[i] * chirp[i];
    b[i] = std::conj(chirp[i]);
    if (i != 0) b[padded - i] = b[i];
  }
  transform_power_of_two(a, false);
  transform_power_of_two(b, false);
  for (size_t i = 0; i < padded; ++i) a[i] *= b[i];
  transform_power_of_two(a, true);
  for (size_t i = 0; i < n; ++i) x[i] = a[i] * chirp[i] / static_cast<double>(padded);
}

}  // namespace

void fourier_transform(std::vector<Complex>& x, bool inverse) {
  if (x.size() < 2) return;
  if (std::has_single_bit(x.size()))
    transform_power_of_two(x, inverse);
  else
    transform_any(x, inverse);
}

}  // namespace planish
