// SPDX-License-Identifier: Apache-2.0
// What reductions share: which axes go, and what shape remains.
#pragma once

#include <optional>
#include <vector>

#include "ops/computing.h"
#include "ops/shape_rules.h"

namespace planish {

// The shape of `in` after the marked axes are reduced.
template <class Dimension>
std::vector<Dimension> reduced_dims(const std::vector<Dimension>& in,
                                    const std::vector<bool>& reduced, bool keep) {
  std::vector<Dimension> out;
  for (size_t i = 0; i < in.size(); ++i) {
    if (!reduced[i])
      out.push_back(in[i]);
    else if (keep)
      out.push_back(1);
  }
  return out;
}

// Marks the axes that a Reduce op with these axes (empty or absent: all of them, or none with
// noop_with_empty_axes) reduces.
template <class Context>
std::vector<bool> marked_axes(const Context& c, const std::vector<int64_t>& axes, int rank) {
  const bool all = axes.empty() && !flag(c.attributes(), "noop_with_empty_axes", false);
  std::vector<bool> marked(static_cast<size_t>(rank), all);
  for (int axis : normalize_axes(c, axes, rank)) marked[static_cast<size_t>(axis)] = true;
  return marked;
}

}  // namespace planish
