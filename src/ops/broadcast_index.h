// SPDX-License-Identifier: Apache-2.0
// Which element of a broadcast input each element of the output reads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace planish {

// For every index of `to` in row-major order, the index into a tensor of `from` dims that is
// broadcast to it (ranks aligned at the end; a dim of 1 is stretched). `from` must broadcast to
// `to`.
inline std::vector<int64_t> broadcast_indices(std::span<const int64_t> from,
                                              std::span<const int64_t> to) {
  std::vector<int64_t> out{0};
  for (int64_t dim : to)
    if (dim == 0) return {};
  int64_t step = 1;  // of `from`, at the axis in hand
  for (size_t k = 1; k <= to.size(); ++k) {
    const int64_t size = to[to.size() - k];
    const int64_t own = k <= from.size() ? from[from.size() - k] : 1;
    const int64_t stride = own == 1 ? 0 : step;
    step *= own;
    const size_t inner = out.size();
    out.resize(inner * static_cast<size_t>(size));
    for (size_t i = 1; i < static_cast<size_t>(size); ++i)
      for (size_t j = 0; j < inner; ++j)
        out[i * inner + j] = out[j] + static_cast<int64_t>(i) * stride;
  }
  return out;
}

}  // namespace planish
