// SPDX-License-Identifier: Apache-2.0
// Fourier transforms of any length in n log n steps.
#pragma once

#include <complex>
#include <vector>

namespace planish {

// x[k] becomes the sum of x[n] * exp(-2 pi i k n / size), or of the conjugate factors if `inverse`;
// not divided by the size. T is float or double.
template <class T>
void fourier_transform(std::vector<std::complex<T>>& x, bool inverse);

}  // namespace planish
