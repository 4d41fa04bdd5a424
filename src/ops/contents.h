// SPDX-License-Identifier: Apache-2.0
// Shape arithmetic: elementwise functions on the known elements of small integer tensors.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "ops/op.h"
#include "planish/error.h"

namespace planish {

// What f gives (a Dim), or nullopt where the arithmetic leaves 64 bits: integer tensors wrap, dims
// do not.
template <class F>
std::optional<Dim> without_overflow(F&& f) {
  try {
    return f();
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Contents of the result of an elementwise function of inputs [first, last), vectors and scalars
// that broadcast. `f` takes the inputs' elements (std::span<const std::optional<Dim>>) and gives
// std::optional<Dim>. nullopt where an input's contents are unknown or the sizes do not broadcast.
template <class F>
std::optional<Contents> map_partial_contents(const InferContext& c, int first, int last, F&& f) {
  std::vector<Contents> all;
  size_t size = 1;
  for (int i = first; i < last; ++i) {
    auto known = c.contents(i);
    if (!known) return std::nullopt;
    if (known->size() != 1) {
      if (size != 1 && known->size() != size) return std::nullopt;
      size = known->size();
    }
    all.push_back(std::move(*known));
  }
  Contents out;
  std::vector<std::optional<Dim>> row(all.size());
  for (size_t i = 0; i < size; ++i) {
    for (size_t k = 0; k < all.size(); ++k) row[k] = all[k][all[k].size() == 1 ? 0 : i];
    out.push_back(f(std::span<const std::optional<Dim>>(row)));
  }
  return out;
}

// The same for functions that need every element: `f` takes std::span<const Dim>; an unknown
// element makes an unknown result.
template <class F>
std::optional<Contents> map_contents(const InferContext& c, int first, int last, F&& f) {
  std::vector<Dim> dims;
  return map_partial_contents(c, first, last,
                              [&](std::span<const std::optional<Dim>> row) -> std::optional<Dim> {
                                dims.clear();
                                for (const auto& item : row) {
                                  if (!item) return std::nullopt;
                                  dims.push_back(*item);
                                }
                                return f(std::span<const Dim>(dims));
                              });
}

// Sets the contents of output 0 if they are known and output 0 is a vector or scalar of `type`'s
// rank.
template <class F>
void set_mapped_contents(InferContext& c, int first, int last, F&& f) {
  for (int i = first; i < last; ++i)
    if (!c.has_rank(i) || c.rank(i) > 1) return;
  if (auto out = map_contents(c, first, last, f)) c.set_contents(0, std::move(*out));
}

}  // namespace planish
