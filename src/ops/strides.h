// SPDX-License-Identifier: Apache-2.0
// Moving elements without looking at them: strided views, runs and fills, on raw bytes of whole
// elements. Packed types (4 and 2 bits) are spread to one byte an element first, see `spread`.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace planish {

// Elements between neighbours along each axis of a row-major tensor.
Dims row_major_strides(std::span<const int64_t> dims);
// Products of dims before `axis`, and after it.
int64_t outer_count(std::span<const int64_t> dims, int axis);
int64_t inner_count(std::span<const int64_t> dims, int axis);

// Where the elements of a block lie in a tensor: element (i0, i1, ...) at offset + sum i_k *
// strides[k].
struct View {
  int64_t offset = 0;
  Dims strides;
};
View row_major_view(std::span<const int64_t> dims);

// A row-major walk over a block of `dims` that keeps the place in several views at once:
//   for (Walk walk(dims, {a, b}); !walk.done(); walk.next()) use(walk[0], walk[1]);
class Walk {
 public:
  Walk(std::span<const int64_t> dims, std::vector<View> views);
  bool done() const { return done_; }
  void next();
  int64_t operator[](size_t view) const { return views_[view].offset; }
  const Dims& index() const { return index_; }

 private:
  Dims dims_, index_;
  std::vector<View> views_;
  bool done_;
};

// `tensor` itself, or, if its type is packed, a uint8 tensor with one byte an element.
Tensor spread(const Tensor& tensor);

// Calls f(whole): `whole` is `out` itself or, if its type is packed, a uint8 tensor of the same
// dims that is packed into `out` afterwards.
void pack_into(Tensor& out, const Tensor& spread_out);
template <class F>
void fill_spread(Tensor& out, F&& f) {
  if (!is_packed(out.dtype())) {
    f(out);
    return;
  }
  Tensor whole(DType::kU8, out.dims());
  f(whole);
  pack_into(out, whole);
}

// The functions below want tensors of one element size, or of strings; never packed ones.

// For every index of a block of `dims`: out[to] = in[from].
void copy_view(Tensor& out, const View& to, const Tensor& in, const View& from,
               std::span<const int64_t> dims);
// n elements in a row.
void copy_run(Tensor& out, int64_t to, const Tensor& in, int64_t from, int64_t n);
// All elements, in order; packed types too.
void copy_all(Tensor& out, const Tensor& in);
// out = in[..., indices, ...] along `axis` of `in`; every index lies in 0 .. dim(axis)-1.
void take(Tensor& out, const Tensor& in, int axis, std::span<const int64_t> indices);
// n elements from `to` on become element `from` of `in`.
void fill_run(Tensor& out, int64_t to, int64_t n, const Tensor& in, int64_t from);
// Zeros, empty strings.
void fill_zero(Tensor& out, int64_t to, int64_t n);
void fill_zero(Tensor& out);  // packed types too

}  // namespace planish
