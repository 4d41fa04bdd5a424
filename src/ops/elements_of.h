// SPDX-License-Identifier: Apache-2.0
// A tensor's elements as T: in place where they are stored so, else a converted copy.
#pragma once

#include <type_traits>
#include <vector>

#include "tensor/elements.h"
#include "tensor/tensor.h"

namespace planish {

template <class T>
class ElementsOf {
 public:
  explicit ElementsOf(const Tensor& tensor) {
    if (tensor.dtype() == stored_as()) {
      data_ = tensor.as<T>();
    } else {
      copy_ = load<T>(tensor);
      data_ = copy_.data();
    }
  }
  ElementsOf(const ElementsOf&) = delete;
  ElementsOf& operator=(const ElementsOf&) = delete;

  const T* data() const { return data_; }
  const T& operator[](int64_t i) const { return data_[i]; }

 private:
  static constexpr DType stored_as() {
    if constexpr (std::is_same_v<T, float>) return DType::kF32;
    if constexpr (std::is_same_v<T, double>) return DType::kF64;
    if constexpr (std::is_same_v<T, int64_t>) return DType::kI64;
    return DType::kUndefined;
  }
  std::vector<T> copy_;
  const T* data_ = nullptr;
};

// Calls f with a value of the type to compute float tensors of `type` in: double for float64, else
// float (products are still summed in double).
template <class F>
void with_float(DType type, F&& f) {
  if (type == DType::kF64)
    f(double{});
  else
    f(float{});
}

}  // namespace planish
