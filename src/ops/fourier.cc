// SPDX-License-Identifier: Apache-2.0
#include "ops/fourier.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <span>

namespace planish {
namespace {

// exp(-2 pi i numerator / denominator), conjugated if `inverse`.
template <class T>
std::complex<T> root(uint64_t numerator, uint64_t denominator, bool inverse) {
  const double angle =
      2 * std::numbers::pi * static_cast<double>(numerator) / static_cast<double>(denominator);
  return {static_cast<T>(std::cos(angle)),
          static_cast<T>(inverse ? std::sin(angle) : -std::sin(angle))};
}

// Without the special cases of infinities that std::complex's product has.
template <class T>
std::complex<T> product(const std::complex<T>& a, const std::complex<T>& b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// i * a
template <class T>
std::complex<T> turned(const std::complex<T>& a) {
  return {-a.imag(), a.real()};
}

// Transforms of 2 to 5 elements, in place.
template <class T>
void transform_few(std::complex<T>* c, size_t n, bool inverse) {
  const std::complex<T> c0 = c[0];
  if (n == 2) {
    c[0] = c0 + c[1];
    c[1] = c0 - c[1];
  } else if (n == 3) {
    const std::complex<T> w = root<T>(1, 3, inverse);
    const std::complex<T> sum = c[1] + c[2], difference = c[1] - c[2];
    const std::complex<T> even = c0 + sum * w.real(), odd = turned(difference * w.imag());
    c[0] = c0 + sum;
    c[1] = even + odd;
    c[2] = even - odd;
  } else if (n == 4) {
    const std::complex<T> sum = c0 + c[2], difference = c0 - c[2], other = c[1] + c[3];
    const std::complex<T> odd = turned(inverse ? c[1] - c[3] : c[3] - c[1]);
    c[0] = sum + other;
    c[2] = sum - other;
    c[1] = difference + odd;
    c[3] = difference - odd;
  } else {
    const std::complex<T> w1 = root<T>(1, 5, inverse), w2 = root<T>(2, 5, inverse);
    const std::complex<T> a = c[1] + c[4], b = c[2] + c[3], da = c[1] - c[4], db = c[2] - c[3];
    const std::complex<T> even1 = c0 + a * w1.real() + b * w2.real();
    const std::complex<T> even2 = c0 + a * w2.real() + b * w1.real();
    const std::complex<T> odd1 = turned(da * w1.imag() + db * w2.imag());
    const std::complex<T> odd2 = turned(da * w2.imag() - db * w1.imag());
    c[0] = c0 + a + b;
    c[1] = even1 + odd1;
    c[4] = even1 - odd1;
    c[2] = even2 + odd2;
    c[3] = even2 - odd2;
  }
}

// Factors of n, each 2 to 5, in the order of use; empty if there is another.
std::vector<size_t> small_factors(size_t n) {
  std::vector<size_t> out;
  for (; n % 4 == 0; n /= 4) out.push_back(4);
  if (n % 2 == 0) {
    n /= 2;
    out.insert(out.begin(), 2);
  }
  for (size_t p : {3, 5})
    for (; n % p == 0; n /= p) out.push_back(p);
  if (n != 1) out.clear();
  return out;
}

// Decimation in frequency by the first factor, then the transforms of its residues.
template <class T>
void transform_smooth(std::complex<T>* x, size_t n, std::span<const size_t> factors, bool inverse) {
  if (n == 1) return;
  const size_t p = factors[0], m = n / p;
  std::vector<std::complex<T>> parts(n);
  std::complex<T> few[5];
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < p; ++j) few[j] = x[i + j * m];
    transform_few(few, p, inverse);
    parts[i] = few[0];
    for (size_t u = 1; u < p; ++u)
      parts[u * m + i] = i == 0 ? few[u] : product(few[u], root<T>(i * u, n, inverse));
  }
  for (size_t u = 0; u < p; ++u) {
    transform_smooth(parts.data() + u * m, m, factors.subspan(1), inverse);
    for (size_t k = 0; k < m; ++k) x[u + p * k] = parts[u * m + k];
  }
}

// Sizes with other factors: Bluestein's form, a convolution with a chirp:
// k n = (k^2 + n^2 - (k - n)^2) / 2.
void transform_any(std::vector<std::complex<double>>& x, bool inverse) {
  const size_t n = x.size(), padded = std::bit_ceil(2 * n - 1);
  const std::vector<size_t> factors = small_factors(padded);
  std::vector<std::complex<double>> chirp(n), a(padded), b(padded);
  for (size_t i = 0; i < n; ++i) {
    // i^2 modulo 2 n, kept small so that the angle is exact.
    const auto square = static_cast<uint64_t>(static_cast<unsigned __int128>(i) * i % (2 * n));
    chirp[i] = root<double>(square, 2 * n, inverse);
    a[i] = product(x[i], chirp[i]);
    b[i] = std::conj(chirp[i]);
    if (i != 0) b[padded - i] = b[i];
  }
  transform_smooth(a.data(), padded, std::span(factors), false);
  transform_smooth(b.data(), padded, std::span(factors), false);
  for (size_t i = 0; i < padded; ++i) a[i] = product(a[i], b[i]);
  transform_smooth(a.data(), padded, std::span(factors), true);
  for (size_t i = 0; i < n; ++i) x[i] = product(a[i], chirp[i]) / static_cast<double>(padded);
}

}  // namespace

template <class T>
void fourier_transform(std::vector<std::complex<T>>& x, bool inverse) {
  if (x.size() < 2) return;
  const std::vector<size_t> factors = small_factors(x.size());
  if (!factors.empty()) return transform_smooth(x.data(), x.size(), std::span(factors), inverse);
  std::vector<std::complex<double>> wide(x.begin(), x.end());
  transform_any(wide, inverse);
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::complex<T>(wide[i]);
}

template void fourier_transform<float>(std::vector<std::complex<float>>&, bool);
template void fourier_transform<double>(std::vector<std::complex<double>>&, bool);

}  // namespace planish
