// SPDX-License-Identifier: Apache-2.0
// Runs a PointwiseProgram over blocks of a size that its registers hold.
#pragma once

#include <cstdint>
#include <span>

#include "backend/cpu/kernels/pointwise.h"

namespace planish::cpu {

// Set up once a problem, then run on any number of blocks with the same strides, by one thread.
class TileRunner {
 public:
  TileRunner(const PointwiseProgram& program, std::span<const TileView> inputs,
             std::span<const TileView> outputs);

  // Elements that one register holds.
  int64_t capacity() const { return capacity_; }

  // Rows of a block of `cols` columns (cols <= capacity()) that fit a register.
  int64_t rows_that_fit(int64_t cols) const;

  // The addresses replace the views' own; rows and cols as above.
  void run(void* const* inputs, void* const* outputs, int64_t rows, int64_t cols);

 private:
  enum class Access : uint8_t { kInPlace, kScalar, kPerRow, kGathered };
  struct Operand {
    void* data;
    int64_t row;  // elements
    bool steps;
  };

  void bind_input(int i, void* data, int64_t rows, int64_t cols, int64_t padded);
  void store_output(int i, void* data, int64_t rows, int64_t cols);

  static constexpr int64_t kScratchBytes = 48 * 1024;
  static constexpr int kMaxOperands = kMaxTapeInputs + kMaxTapeConstants + kMaxTapeRegisters;

  const PointwiseProgram& program_;
  std::span<const TileView> inputs_;
  std::span<const TileView> outputs_;
  Access access_[kMaxTapeInputs];
  char* slot_[kMaxTapeInputs];
  char* registers_ = nullptr;
  const void* scalar_from_[kMaxTapeInputs] = {};
  int direct_output_ = -1;
  int64_t capacity_ = 0;
  int64_t slot_bytes_ = 0;
  Operand operands_[kMaxOperands];
  alignas(64) char scratch_[kScratchBytes];
};

}  // namespace planish::cpu
