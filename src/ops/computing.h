// SPDX-License-Identifier: Apache-2.0
// The type that a kernel computes in, for a tensor's type; and indices read from tensors.
#pragma once

#include <complex>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/str.h"
#include "ops/op.h"
#include "tensor/elements.h"

namespace planish {

// Calls f with a value of the type that holds every value of `type` exactly: double for floats,
// int64_t for signed integers and bools, uint64_t for unsigned ones, std::complex<double>.
template <class F>
decltype(auto) with_exact_type(DType type, F&& f) {
  switch (dtype_class(type)) {
    case DTypeClass::kUnsigned: return f(uint64_t{});
    case DTypeClass::kSigned:
    case DTypeClass::kBool: return f(int64_t{});
    case DTypeClass::kComplex: return f(std::complex<double>{});
    default: return f(double{});
  }
}
// The same without complex numbers: for types whose rule has refused them.
template <class F>
decltype(auto) with_real_type(DType type, F&& f) {
  switch (dtype_class(type)) {
    case DTypeClass::kUnsigned: return f(uint64_t{});
    case DTypeClass::kSigned:
    case DTypeClass::kBool: return f(int64_t{});
    default: return f(double{});
  }
}

// The index, counted from the end where negative. Fails outside of -size .. size-1.
inline int64_t checked_index(const KernelContext& c, int64_t index, int64_t size, int axis) {
  if (index < -size || index >= size)
    c.fail(concat("index ", index, " is outside of axis ", axis, " of size ", size));
  return index < 0 ? index + size : index;
}

// The elements of an integer tensor as indices into an axis of `size`.
inline std::vector<int64_t> checked_indices(const KernelContext& c, const Tensor& indices,
                                            int64_t size, int axis) {
  std::vector<int64_t> out = load<int64_t>(indices);
  for (int64_t& index : out) index = checked_index(c, index, size, axis);
  return out;
}

inline void require_dims(const KernelContext& c, const Tensor& tensor, const Dims& expected) {
  if (tensor.dims() != expected)
    c.fail(concat("the output is ", dims_to_string(expected), ", the plan has ",
                  dims_to_string(tensor.dims())));
}

}  // namespace planish
