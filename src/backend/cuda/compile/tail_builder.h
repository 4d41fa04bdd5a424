// SPDX-License-Identifier: Apache-2.0
// The tail of a root kernel: the text of struct Tail, and its operands in the launch.
#pragma once

#include <optional>
#include <string>

#include "backend/cuda/compile/lowering.h"

namespace planish::cuda {

// How an output is laid out for its kernel: batch, row and column are products of neighbouring
// axes.
struct TailShape {
  Shape shape;        // of the output
  size_t row = 0;     // first axis of the row; the axes before are the batch
  size_t column = 0;  // first axis of the column
};

struct Tail {
  std::string text;  // "namespace planish { struct Tail { ... }; }", or empty
  std::string name;  // "planish::Tail" or "planish::NoTail"
  struct Operand {
    const ir::Value* value = nullptr;  // of the outer graph
    Dim batch_stride, row_stride, column_stride;
  };
  std::vector<Operand> operands;

  // Adds kMaxTailOperands TailOperands.
  void add_fields(StepBuilder& step, Launch& launch) const;
};

// The fields of a kernel that takes tails and gets none.
void add_no_tail(Launch& launch);

// nullopt if an operand's layout cannot be told by three strides, or the tail has too many.
// `bias`: the root's own, one value a column; null: none.
std::optional<Tail> build_tail(const ir::Node& node, const ir::Value* bias, const TailShape& shape);

}  // namespace planish::cuda
