// SPDX-License-Identifier: Apache-2.0
// Launches of kernels/gemm.cuh, and of gemm_simt.cuh where there are no matrix units for the type.
#pragma once

#include <array>
#include <string>

#include "backend/cuda/compile/root_output.h"

namespace planish::cuda {

// C = A B: A row-major; B row-major, or [n, k] with `is_b_transposed`. Strides in elements.
struct GemmWork {
  DType type = DType::kUndefined;
  int a = 0;  // inputs of the step
  int b = 0;
  bool is_constant_b = false;
  bool is_b_transposed = false;
  Dim m, n, k;
  Dim stride_a, stride_b, stride_c;
  Dim batches = 1;
  Dim batch_inner = 1;
  std::array<Dim, 2> batch_a{}, batch_b{}, batch_c{};
};

// The name of what was chosen; empty: no kernel computes it.
std::string add_gemm(StepBuilder& step, const GemmWork& work, const RootOutput& output,
                     Lowering& lowering);

}  // namespace planish::cuda
