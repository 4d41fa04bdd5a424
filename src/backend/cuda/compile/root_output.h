// SPDX-License-Identifier: Apache-2.0
// Where a root kernel (product, convolution, normalisation, pool) writes, and who computes the
// pointwise nodes behind it: the kernel itself, as its tail; or, where the tail's operands lie in
// no way that kernels can read, a pointwise kernel behind it, through scratch memory.
#pragma once

#include <optional>

#include "backend/cuda/compile/lowering.h"
#include "backend/cuda/compile/tail_builder.h"

namespace planish::cuda {

class RootOutput {
 public:
  // `bias`: the root's own, one value a column; null: none. `has_tails`: the kernel takes tails.
  RootOutput(const ir::Node& node, const ir::Value* bias, const TailShape& shape, StepBuilder& step,
             bool has_tails = true);

  const std::string& text() const { return tail_.text; }
  const std::string& tail_name() const { return tail_.name; }
  // "planish::f16": what the kernel writes.
  std::string element() const;
  void add_address(Launch& launch) const;
  void add_operands(StepBuilder& step, Launch& launch) const { tail_.add_fields(step, launch); }
  // After the kernel's launch. False: the node cannot be lowered.
  bool finish(StepBuilder& step) const;

 private:
  const ir::Node& node_;
  const ir::Node& root_;
  Tail tail_;
  bool is_apart_ = false;
  bool is_possible_ = true;
  int scratch_ = -1;
};

}  // namespace planish::cuda
