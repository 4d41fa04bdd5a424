// SPDX-License-Identifier: Apache-2.0
// The tail of a matrix product or convolution, as a step's attributes say it:
//
//   bias, residual     positions of inputs, -1 for none
//   residual_last      1: the residual is added after the activation
//   activation, p, q   of kernels/epilogue.h
//   tape_*             a tape (tape_text.h) that changes the finished tile in place: its input 0 is
//   the
//                      tile, the others are `tail`: positions of inputs, broadcast to the output
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "backend/cpu/kernels/epilogue.h"
#include "backend/cpu/kernels/pointwise.h"
#include "runtime/step_kernel.h"

namespace planish::cpu {

std::string_view activation_name(Activation activation);

class StepEpilogue {
 public:
  // Throws kInvalidPlan.
  explicit StepEpilogue(const StepInfo& info);

  // What one set of shapes needs: the output is `rows` x `cols` in memory, its last dim the
  // columns.
  class Bound;
  std::unique_ptr<Bound> bind(const StepShapes& shapes) const;
  // `bound` must outlive the epilogue's use.
  Epilogue at(const StepContext& context, Bound& bound) const;

 private:
  int bias_ = -1;
  int residual_ = -1;
  Epilogue fixed_;
  std::optional<PointwiseProgram> program_;
  std::vector<int> tail_;
};

class StepEpilogue::Bound {
 private:
  friend class StepEpilogue;
  // Where an input of the tape lies for a row of the output.
  struct Operand {
    int64_t row_stride = 0;          // bytes
    int64_t col_stride = 0;          // elements, 0 or 1
    std::vector<int64_t> row_bytes;  // instead of row_stride, for other broadcasts
    const std::byte* data = nullptr;
  };
  static void run_tail(const void* state, float* c, int64_t c_row, int64_t batch, int64_t row0,
                       int64_t rows, int64_t col0, int64_t cols);
  void run_rows(float* c, int64_t c_row, int64_t row0, int64_t rows, int64_t col0,
                int64_t cols) const;

  const PointwiseProgram* program_ = nullptr;
  int64_t rows_per_batch_ = 0;
  int64_t cols_ = 0;
  bool by_row_ = false;
  bool spread_ = false;
  std::vector<Operand> operands_;

 public:
  // Rows of one matrix, where the kernel numbers rows by matrix.
  void set_rows_per_batch(int64_t rows) { rows_per_batch_ = rows; }
  // The rows of a tile lie in the output itself, with others between them.
  void set_spread() { spread_ = true; }
};

}  // namespace planish::cpu
