// SPDX-License-Identifier: Apache-2.0
// Reading and writing a tensor's elements as one of a few computing types, whatever its dtype: the
// accessor over which portable kernels are written once.
//
//   std::vector<double> x = load<double>(input);
//   store(output, y);
//
// T is double, float, int64_t, uint64_t, uint8_t (for bools) or std::complex<double>. Loading
// converts as C++ does (a bool is 0 or 1, a complex gives its real part). Storing into a float
// format rounds to nearest even, without saturation; into an integer it wraps (a double is
// truncated towards zero first; NaN and values beyond 64 bits give the type's minimum); into a bool
// it tests for non-zero. Strings: kInvalidType.
#pragma once

#include <complex>
#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace planish {

// Elements [first, first + n). The range must lie inside the tensor (kInternal).
template <class T>
void load(const Tensor& tensor, int64_t first, int64_t n, T* out);
template <class T>
void store(Tensor& tensor, int64_t first, int64_t n, const T* in);

template <class T>
std::vector<T> load(const Tensor& tensor) {
  std::vector<T> out(static_cast<size_t>(tensor.count()));
  load<T>(tensor, 0, tensor.count(), out.data());
  return out;
}
template <class T>
void store(Tensor& tensor, const std::vector<T>& values) {
  store<T>(tensor, 0, static_cast<int64_t>(values.size()), values.data());
}

// One element, for scalars and small tensors.
template <class T>
T element(const Tensor& tensor, int64_t index) {
  T out{};
  load<T>(tensor, index, 1, &out);
  return out;
}

// Packed types spread to one byte an element (sign extended for signed integers) and back.
std::vector<uint8_t> unpack(const Tensor& tensor);
void pack(const std::vector<uint8_t>& bytes, Tensor& tensor);

}  // namespace planish
