// SPDX-License-Identifier: Apache-2.0
// Cutting a tensor along an axis: what Split and SplitToSequence share.
#pragma once

#include "ops/op.h"
#include "ops/strides.h"

namespace planish {

// out = in[..., first : first + out.dim(axis), ...]; neither is packed.
inline void copy_part(Tensor& out, const Tensor& in, int axis, int64_t first) {
  View from = row_major_view(in.dims());
  from.offset = first * from.strides[static_cast<size_t>(axis)];
  copy_view(out, row_major_view(out.dims()), in, from, out.dims());
}

}  // namespace planish
