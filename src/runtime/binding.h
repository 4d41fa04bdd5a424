// SPDX-License-Identifier: Apache-2.0
// A program of an engine laid out for one set of input shapes: every value in its place, every
// kernel bound. Belongs to one frame of one context.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/program_code.h"
#include "runtime/step_kernel.h"
#include "tensor/tensor.h"

namespace planish {

inline constexpr int64_t kUnbound = INT64_MIN;

// Symbols of the plan by number; kUnbound where a symbol has no value.
using SymbolValues = std::vector<int64_t>;

// A step whose shapes change within a set of input shapes.
struct DynamicStep {
  std::vector<int64_t> dims;  // of all inputs and outputs, for which `bound` was made
  StepBinding bound;
  std::shared_ptr<std::byte> scratch;
  bool is_bound = false;
};

struct Binding {
  SymbolValues symbols;
  std::vector<Dims> input_dims;      // of inputs whose dims are known on entry
  std::vector<int64_t> expressions;  // of the program; meaningful where known on entry
  std::vector<Datum> values;
  std::vector<StepContext> steps;
  std::vector<StepBinding> bound;    // by step; static ones
  std::vector<DynamicStep> dynamic;  // by step; the others
  std::vector<uint64_t> places;      // by value: offset in its memory's arena of a planned root
  std::vector<uint64_t> offsets;     // by value: of an alias in its root
  std::vector<uint64_t> scratch;     // by step: offset in the arena
  uint64_t arena_bytes = 0;
  uint64_t lower_bound = 0;
  std::byte* base = nullptr;  // of the arena that the values point into
  uint64_t device_bytes = 0;  // of the arena in device memory
  uint64_t device_lower_bound = 0;
  std::byte* device_base = nullptr;
  std::vector<std::unique_ptr<DeviceRecording>> recordings;  // by segment; null: none yet
  uint64_t runs = 0;
};

// Dims of each input; anything where the program knows no rank.
using InputDims = std::vector<std::span<const int64_t>>;

struct RunState;

// Throws kBudgetExceeded unless 64 bits count the bytes between any two elements of a tensor, dims
// of 0 left out: what kernels rely on when they multiply dims.
void check_extents(const plan::Step& step, std::span<const KnownTensor> tensors);

// `around`: symbols bound where the program is called. `frame` is who runs the steps. Throws
// kInvalidShape if the dims contradict the types of the program's inputs.
std::unique_ptr<Binding> bind_program(RunState& run, const ProgramCode& program,
                                      const SymbolValues& around, const InputDims& inputs,
                                      Frame* frame);

// Points every planned value that is no output into its memory's arena, at `base` or at `device`.
// Forgets the recordings if the latter has moved.
void place_in_arena(const ProgramCode& program, Binding& binding, std::byte* base,
                    std::byte* device);

// Value of an expression; nullopt if a symbol has no value or it overflows.
std::optional<int64_t> evaluate(const EngineCode& engine, const Dim& dim,
                                const SymbolValues& symbols);

}  // namespace planish
