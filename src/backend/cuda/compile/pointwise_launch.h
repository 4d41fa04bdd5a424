// SPDX-License-Identifier: Apache-2.0
// Launches of kernels/pointwise.cuh: an expression over operands with any strides.
#pragma once

#include <string>
#include <vector>

#include "backend/cuda/compile/lowering.h"

namespace planish::cuda {

struct PointwiseOperand {
  int address = 0;  // number of the step's input, or of its output; or an offset in scratch
  DType type = DType::kUndefined;
  std::vector<Dim> strides;  // along the axes of the output's shape, in elements
  Dim first_element = 0;     // where the operand begins
  bool is_scratch = false;
};

struct PointwiseWork {
  std::string functor;  // struct planish::Expression
  Shape shape;          // what is walked
  PointwiseOperand output;
  std::vector<PointwiseOperand> inputs;
};

// False if there are too many inputs or axes.
bool add_pointwise(StepBuilder& step, const PointwiseWork& work);

// An expression that copies elements of `type`.
std::string identity_functor(DType type);

}  // namespace planish::cuda
