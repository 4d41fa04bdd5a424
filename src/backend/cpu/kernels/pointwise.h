// SPDX-License-Identifier: Apache-2.0
// Chains of pointwise operations as one pass over memory.
//
// A PointwiseTape is a straight-line program in SSA form: values are numbered inputs first, then
// constants, then one a instruction. A PointwiseProgram is a checked tape with its values placed in
// a few registers, each a tile of some hundred elements that stays in the first-level cache; an
// instruction is one vectorised loop over the tile. Inputs and outputs in memory are read and
// written in place where their layout allows, else converted or gathered a tile at a time.
//
// Values live in one of two domains: f32, or 64-bit integers. Truth values are 0 and 1 of either.
// Memory holds any type that converts: narrow floats and f64 to f32, integers and bool to either.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/cpu/kernels/isa.h"
#include "backend/cpu/kernels/pointwise_table.h"
#include "runtime/thread_pool.h"
#include "tensor/dtype.h"

namespace planish::cpu {

enum class TapeDomain : uint8_t { kF32, kI64 };

struct TapeInput {
  DType dtype = DType::kF32;
  TapeDomain domain = TapeDomain::kF32;  // what it is converted to
};

struct TapeConstant {
  TapeDomain domain = TapeDomain::kF32;
  float f32 = 0;
  int64_t i64 = 0;
};

struct TapeInstruction {
  int32_t op = 0;  // a row of pointwise.def, or kTapeCopy, kTapeToI64, kTapeToF32, kTapeToTruth
  TapeDomain domain = TapeDomain::kF32;  // of the operands; the result's too, save for the ToX
  int32_t a = 0;                         // values; b and c only as the operation has them
  int32_t b = 0;
  int32_t c = 0;
  DType wrap = DType::kUndefined;  // i64 only: cut the result down to this integer type
  float attributes[kMaxPointwiseAttributes] = {};
};

struct TapeOutput {
  int32_t value = 0;
  DType dtype = DType::kF32;
};

struct PointwiseTape {
  std::vector<TapeInput> inputs;
  std::vector<TapeConstant> constants;
  std::vector<TapeInstruction> instructions;
  std::vector<TapeOutput> outputs;
};

inline constexpr int kMaxTapeInputs = 16;
inline constexpr int kMaxTapeOutputs = 8;
inline constexpr int kMaxTapeConstants = 64;
inline constexpr int kMaxTapeInstructions = 256;
inline constexpr int kMaxTapeRegisters = 24;
inline constexpr int kMaxPointwiseRank = 16;

// Where an input or output lies. Strides in elements.
struct TileView {
  void* data = nullptr;  // element (0, 0); inputs are not written
  int64_t row_stride = 0;
  int64_t col_stride = 0;
};

class PointwiseProgram {
 public:
  // Throws invalid_plan for a tape that is not well formed, unsupported for one that needs more
  // registers or a conversion than there are (split it).
  explicit PointwiseProgram(const PointwiseTape& tape, Isa isa = best_isa());

  int inputs() const { return static_cast<int>(inputs_.size()); }
  int outputs() const { return static_cast<int>(outputs_.size()); }
  Isa isa() const { return isa_; }
  // Bytes of an element in memory.
  int input_bytes(int i) const { return inputs_[i].bytes; }
  int output_bytes(int o) const { return outputs_[o].bytes; }
  // Vector instructions per vector of elements, loads and stores included.
  int cost() const { return cost_; }

 private:
  friend class TileRunner;

  // Operands are indices into one array: inputs, constants, registers.
  struct Step {
    PointwiseTable::Loop loop;
    int16_t dst;
    int16_t src[3];
    int8_t arity;
    bool narrow_dst;  // the result's elements are 4 bytes wide
    PointwiseTable::Wrap wrap;
    float attributes[kMaxPointwiseAttributes];
  };
  struct Input {
    PointwiseTable::Load load;
    int8_t bytes;  // of an element in memory
    bool narrow;   // f32 domain
    bool direct;   // memory holds the domain's own type
  };
  struct Output {
    PointwiseTable::Store store;
    int16_t source;
    int8_t bytes;
    bool narrow;  // f32 domain
    bool direct;  // the last step may write to memory
  };
  struct Repeated {
    alignas(64) float f32[kRepeat];
    int64_t i64;
    bool narrow;
  };

  void check(const PointwiseTape& tape) const;
  void place(const PointwiseTape& tape);
  int16_t take_register(std::vector<int16_t>* free);

  Isa isa_;
  const PointwiseTable* table_;
  std::vector<Input> inputs_;
  std::vector<Repeated> constants_;
  std::vector<Step> steps_;
  std::vector<Output> outputs_;
  int registers_ = 0;
  bool wide_ = false;  // some register holds i64
  int cost_ = 0;
};

// Runs the program over a rows x cols block on the calling thread: as the epilogue of a matrix
// product, say, with input 0 and output 0 the tile that was just computed. A view with col_stride 0
// holds one value a row, with row_stride 0 one a column, with both a scalar. Outputs may lie
// exactly on inputs of the same layout.
void run_pointwise_tile(const PointwiseProgram& program, std::span<const TileView> inputs,
                        std::span<const TileView> outputs, int64_t rows, int64_t cols);

struct PointwiseOperand {
  void* data = nullptr;
  int64_t strides[kMaxPointwiseRank] = {};  // in elements; 0 where broadcast
};

// The whole problem: `dims` is the shape of the outputs.
struct PointwiseParams {
  const PointwiseProgram* program = nullptr;
  int rank = 0;
  int64_t dims[kMaxPointwiseRank] = {};
  PointwiseOperand inputs[kMaxTapeInputs];
  PointwiseOperand outputs[kMaxTapeOutputs];
};

// Row-major strides of `shape` aligned at the right to `rank` dims, 0 where a dim of 1 is
// broadcast.
void set_broadcast_strides(std::span<const int64_t> shape, int rank, PointwiseOperand* operand);

// Allocates nothing. Outputs may lie exactly on inputs of the same layout.
void run_pointwise(const PointwiseParams& params, ThreadPool& pool);

}  // namespace planish::cpu
