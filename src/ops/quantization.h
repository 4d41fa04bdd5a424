// SPDX-License-Identifier: Apache-2.0
// What the quantising ops share: which scale belongs to an element, rounding to a type.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/op.h"
#include "ops/saturate.h"

namespace planish {

// `v` rounded to a float type of 16 or 32 bits; unchanged for others.
double round_to(DType type, double v);
// `v` rounded (ties to even) into a quantised type: clamped if it is an integer, or a float of 8
// bits and `saturates`.
class Quantizer {
 public:
  Quantizer(DType type, bool saturates);
  // Stores [first, first + n).
  void store(Tensor& out, int64_t first, const std::vector<double>& values) const;

 private:
  DType type_;
  bool saturates_;
};

// How the elements of x share scales: all one, one for each index of an axis, or one for each block
// of an axis.
class ScaleIndex {
 public:
  // `scale` dims must have passed check_scales.
  ScaleIndex(const KernelContext& c, const Dims& x, const Dims& scale);
  // Calls f(first element, count, index of the first scale, step of the scale index per element)
  // over x in order.
  template <class F>
  void for_each_run(F&& f) const {
    for (int64_t o = 0; o < outer_; ++o)
      for (int64_t k = 0; k < size_; ++k)
        f((o * size_ + k) * inner_, inner_, scale_of(o, k), is_blocked_ ? int64_t{1} : int64_t{0});
  }

 private:
  int64_t scale_of(int64_t o, int64_t k) const {
    if (is_single_) return 0;
    return is_blocked_ ? (o * blocks_ + k / block_) * inner_ : k;
  }
  bool is_single_ = true;
  bool is_blocked_ = false;
  int64_t outer_ = 1, size_ = 1, inner_ = 1, block_ = 1, blocks_ = 1;
};

// Checks the shape of scale input `s` (and of zero point input `z`, which must have the same) for
// x, input 0, with attributes axis and block_size.
void check_scales(const InferContext& c, int s, int z);

// Input i is a scalar, or holds one element, or is a vector of `size` elements.
void check_scalar_or_vector(const InferContext& c, int i, const Dim& size);
// Elements of x less its zero point, exact in float. `zero` (null: none) broadcasts to x; a vector
// counts along axis `vector_axis` of x.
std::vector<float> load_shifted(const Tensor& x, const Tensor* zero, int vector_axis);

}  // namespace planish
