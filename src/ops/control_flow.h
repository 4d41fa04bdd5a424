// SPDX-License-Identifier: Apache-2.0
// What If, Loop, Scan and SequenceMap share: types that hold over all iterations, and results that
// are gathered one iteration at a time.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "ops/op.h"
#include "planish/error.h"

namespace planish {

// What holds for a value before the loop and after each iteration. `widened` remembers the symbols
// that stand for dims that change, so that a second round finds them again.
Type widen(InferContext& c, const Type& now, const Type& next, std::set<std::string>& widened);

// Types of a loop body's outputs under types of the carried values that hold in every iteration;
// `carried` goes in as the initial types and comes out so. `first` is the place of the first
// carried value among the body's inputs (as `before` precedes and `after` follows them),
// `first_out` among its outputs. Empty if the body's types are not known here.
std::vector<Type> infer_loop_body(InferContext& c, const std::vector<Type>& before,
                                  std::vector<Type>& carried, const std::vector<Type>& after,
                                  size_t first_out);

// Whether shapes, types or values that are known before the run contradict one another: what a node
// that never runs may do.
bool is_contradiction(const Error& error);

// A datum that shares no memory with the kernel's inputs.
Datum owned(const Datum& datum);

// Tensors of one type and shape, one an iteration, joined along a new axis.
class Gathered {
 public:
  explicit Gathered(KernelContext& c, std::string what) : c_(c), what_(std::move(what)) {}
  void add(const Datum& item);
  // The tensors in order (or in reverse) along a new axis `axis`. `type` is the type of an item, as
  // far as is known, for the case that there is none.
  Tensor joined(int64_t axis, bool reverse, const Type& type) const;

 private:
  Tensor none(int64_t axis, const Type& type) const;
  KernelContext& c_;
  std::string what_;
  std::vector<Tensor> items_;
  int64_t bytes_ = 0;
};

}  // namespace planish
