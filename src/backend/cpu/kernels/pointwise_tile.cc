// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/pointwise_tile.h"

#include <algorithm>

namespace planish::cpu {

namespace {

// Registers start on cache lines and rows in them too.
constexpr int64_t kLine = 16;
constexpr int64_t kMaxCapacity = 2048;
// Without registers nothing but the caller's wish to split work bounds a block.
constexpr int64_t kCapacityInPlace = 16384;

int64_t pad(int64_t n) { return (n + kLine - 1) / kLine * kLine; }

char* offset(void* data, int64_t elements, int bytes) {
  return static_cast<char*>(data) + elements * bytes;
}

}  // namespace

TileRunner::TileRunner(const PointwiseProgram& program, std::span<const TileView> inputs,
                       std::span<const TileView> outputs)
    : program_(program), inputs_(inputs), outputs_(outputs) {
  int gathered = 0;
  char* next = scratch_;
  for (int i = 0; i < program.inputs(); ++i) {
    const TileView& view = inputs[i];
    if (view.col_stride == 0) {
      access_[i] = view.row_stride == 0 ? Access::kScalar : Access::kPerRow;
    } else if (view.col_stride == 1 && program.inputs_[i].direct) {
      access_[i] = Access::kInPlace;
    } else {
      access_[i] = Access::kGathered;
    }
    slot_[i] = nullptr;
    if (access_[i] == Access::kScalar) {
      slot_[i] = next;
      next += kRepeat * sizeof(float);
    } else if (access_[i] != Access::kInPlace) {
      ++gathered;
    }
  }
  for (int o = 0; o < program.outputs(); ++o) {
    if (program.outputs_[o].direct && outputs[o].col_stride == 1) direct_output_ = o;
  }
  // The last step writes to memory directly; a register of its own is not needed for it if it is
  // the only one.
  const bool in_place = direct_output_ >= 0 && program.steps_.size() == 1;
  const int slots = gathered + (in_place ? 0 : program.registers_);
  const int64_t element = program.wide_ ? sizeof(int64_t) : sizeof(float);
  if (slots == 0) {
    capacity_ = kCapacityInPlace;
  } else {
    const int64_t left = kScratchBytes - (next - scratch_);
    capacity_ = std::min(kMaxCapacity, left / slots / element / kLine * kLine);
  }
  slot_bytes_ = capacity_ * element;
  for (int i = 0; i < program.inputs(); ++i) {
    if (access_[i] != Access::kPerRow && access_[i] != Access::kGathered) continue;
    slot_[i] = next;
    next += slot_bytes_;
  }
  registers_ = next;

  Operand* constants = operands_ + program.inputs();
  for (size_t i = 0; i < program.constants_.size(); ++i) {
    const auto& constant = program.constants_[i];
    const void* data = constant.narrow ? static_cast<const void*>(constant.f32) : &constant.i64;
    constants[i] = {const_cast<void*>(data), 0, false};
  }
}

int64_t TileRunner::rows_that_fit(int64_t cols) const {
  return std::max<int64_t>(1, capacity_ / std::max<int64_t>(pad(cols), kRepeat));
}

void TileRunner::bind_input(int i, void* data, int64_t rows, int64_t cols, int64_t padded) {
  const auto& input = program_.inputs_[i];
  const TileView& view = inputs_[i];
  Operand& operand = operands_[i];
  const int64_t element = input.narrow ? sizeof(float) : sizeof(int64_t);
  const int64_t copies = input.narrow ? kRepeat : 1;
  switch (access_[i]) {
    case Access::kInPlace: operand = {data, view.row_stride, true}; return;
    case Access::kScalar:
      if (scalar_from_[i] != data) input.load(slot_[i], data, 0, copies);
      scalar_from_[i] = data;
      operand = {slot_[i], 0, false};
      return;
    case Access::kPerRow:
      for (int64_t row = 0; row < rows; ++row) {
        input.load(slot_[i] + row * copies * element,
                   offset(data, row * view.row_stride, input.bytes), 0, copies);
      }
      operand = {slot_[i], copies, false};
      return;
    case Access::kGathered:
      for (int64_t row = 0; row < rows; ++row) {
        input.load(slot_[i] + row * padded * element,
                   offset(data, row * view.row_stride, input.bytes), view.col_stride, cols);
      }
      operand = {slot_[i], padded, true};
      return;
  }
}

void TileRunner::store_output(int i, void* data, int64_t rows, int64_t cols) {
  const auto& output = program_.outputs_[i];
  const Operand& source = operands_[output.source];
  const int element = output.narrow ? sizeof(float) : sizeof(int64_t);
  for (int64_t row = 0; row < rows; ++row) {
    output.store(offset(data, row * outputs_[i].row_stride, output.bytes), outputs_[i].col_stride,
                 offset(source.data, row * source.row, element), cols);
  }
}

void TileRunner::run(void* const* inputs, void* const* outputs, int64_t rows, int64_t cols) {
  const int64_t padded = pad(cols);
  for (int i = 0; i < program_.inputs(); ++i) bind_input(i, inputs[i], rows, cols, padded);
  const int first = program_.inputs() + static_cast<int>(program_.constants_.size());
  for (int r = 0; r < program_.registers_; ++r) {
    operands_[first + r] = {registers_ + r * slot_bytes_, padded, true};
  }
  for (size_t s = 0; s < program_.steps_.size(); ++s) {
    const auto& step = program_.steps_[s];
    TapeLoop loop;
    for (int j = 0; j < step.arity; ++j) {
      const Operand& source = operands_[step.src[j]];
      loop.src[j] = source.data;
      loop.src_row[j] = source.row;
      loop.steps[j] = source.steps;
    }
    Operand& dst = operands_[step.dst];
    if (s + 1 == program_.steps_.size() && direct_output_ >= 0) {
      dst = {outputs[direct_output_], outputs_[direct_output_].row_stride, true};
    } else {
      dst = {registers_ + (step.dst - first) * slot_bytes_, padded, true};
    }
    loop.dst = dst.data;
    loop.dst_row = dst.row;
    loop.rows = rows;
    loop.cols = cols;
    loop.attributes = step.attributes;
    step.loop(loop);
    if (step.wrap != nullptr) {
      for (int64_t row = 0; row < rows; ++row) {
        step.wrap(static_cast<int64_t*>(dst.data) + row * dst.row, cols);
      }
    }
  }
  for (int o = 0; o < program_.outputs(); ++o) {
    if (o != direct_output_) store_output(o, outputs[o], rows, cols);
  }
}

void run_pointwise_tile(const PointwiseProgram& program, std::span<const TileView> inputs,
                        std::span<const TileView> outputs, int64_t rows, int64_t cols) {
  if (rows <= 0 || cols <= 0) return;
  TileRunner runner(program, inputs, outputs);
  const int64_t block_cols = std::min(cols, runner.capacity());
  const int64_t block_rows = runner.rows_that_fit(block_cols);
  void* in[kMaxTapeInputs];
  void* out[kMaxTapeOutputs];
  for (int64_t row = 0; row < rows; row += block_rows) {
    for (int64_t col = 0; col < cols; col += block_cols) {
      for (int i = 0; i < program.inputs(); ++i) {
        in[i] = offset(inputs[i].data, row * inputs[i].row_stride + col * inputs[i].col_stride,
                       program.input_bytes(i));
      }
      for (int o = 0; o < program.outputs(); ++o) {
        out[o] = offset(outputs[o].data, row * outputs[o].row_stride + col * outputs[o].col_stride,
                        program.output_bytes(o));
      }
      runner.run(in, out, std::min(block_rows, rows - row), std::min(block_cols, cols - col));
    }
  }
}

}  // namespace planish::cpu
