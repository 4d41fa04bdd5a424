// SPDX-License-Identifier: Apache-2.0
// The text form of a graph: what tests are written in and what `inspect` prints.
//
//   graph "net" {
//     input %x : float32[batch, 3, 8, 8]
//     const %w = float32[4, 3, 1, 1] splat 0.5
//     const %axes = int64[1] {1}
//     %y = Conv(%x, %w) {strides=[2, 2]} : float32[batch, 4, 4, 4] "conv1"
//     %a, _ = TopK(%y, %axes) {axis=-1, largest=1} : float32[...], int64[...]
//     %z = If(%c) then_branch=graph { ... } else_branch=graph { ... } : float32[...]
//     output %z as "probabilities"
//   }
//
// `_` is an absent input or an unwanted output. A float has a point, an exponent, or is inf or nan;
// the empty lists are ints[], floats[] and strings[]. Types after the colon may be left out. parse
// takes what print gives and makes the same graph.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ir/graph.h"

namespace planish::ir {

struct PrintOptions {
  bool types = true;
  bool names = true;          // node names
  int64_t max_elements = 64;  // of a constant, listed as numbers
  bool bulk = true;  // larger constants in hexadecimal; false: their size only (not parsable)
};

std::string print(const Graph& graph, const PrintOptions& options = {});
// Throws kInvalidModel with line and column, kBudgetExceeded if constants that take few characters
// would take more than `splat_bytes` in all. Names of ops are not checked.
std::unique_ptr<Graph> parse(std::string_view text, int64_t splat_bytes = int64_t{1} << 34);

}  // namespace planish::ir
