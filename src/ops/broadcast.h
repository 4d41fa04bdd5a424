// SPDX-License-Identifier: Apache-2.0
// Reading a tensor as if it had a larger shape, as numpy broadcasts.
#pragma once

#include "base/str.h"
#include "ops/op.h"
#include "ops/strides.h"

namespace planish {

// The view of a tensor of `dims` over a block of `target`, which `dims` broadcast to; fails if they
// do not.
inline View broadcast_view(const KernelContext& c, const Dims& dims, const Dims& target) {
  View view{0, Dims(target.size(), 0)};
  const Dims strides = row_major_strides(dims);
  const size_t skip = target.size() - std::min(dims.size(), target.size());
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims.size() > target.size() || (dims[i] != target[skip + i] && dims[i] != 1))
      c.fail(concat(dims_to_string(dims), " does not broadcast to ", dims_to_string(target)),
             ErrorCode::kInvalidShape);
    if (dims[i] != 1) view.strides[skip + i] = strides[i];
  }
  return view;
}

}  // namespace planish
