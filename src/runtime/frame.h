// SPDX-License-Identifier: Apache-2.0
// Runs one program of an engine for one context: its arena, its bindings, the frames of the
// programs that its steps run.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include "runtime/binding.h"
#include "runtime/context.h"

namespace planish {

// Memory that grows and is never moved while a program runs.
class Arena {
 public:
  // At least `bytes` at an address aligned to 64, never null. Throws kOutOfMemory.
  std::byte* reserve(uint64_t bytes);
  // Memory of the caller's; empty: own memory.
  void lend(std::span<std::byte> memory);

 private:
  std::shared_ptr<std::byte> own_;
  uint64_t own_bytes_ = 0;
  std::span<std::byte> lent_;
};

// The same in device memory.
class DeviceArena {
 public:
  std::byte* reserve(DeviceSession& session, uint64_t bytes);

 private:
  std::shared_ptr<std::byte> own_;
  uint64_t own_bytes_ = 0;
};

// Where the outputs of the main program go.
class OutputPlaces {
 public:
  virtual ~OutputPlaces() = default;
  // Memory for output i, at least `bytes`; null data: the frame allocates.
  virtual OwnedBytes place(size_t i, size_t bytes) = 0;
};

// What the frames of a context share.
struct RunState {
  const EngineCode& engine;
  RunBudget budget = RunBudget();
  StepObserver observer;
  std::chrono::steady_clock::time_point begin{};
  std::unique_ptr<DeviceSession> session;  // null: the engine has no device
};

class Frame {
 public:
  Frame(const ProgramCode& program, RunState& run);
  ~Frame();

  // `around`: symbols that are bound where the program is called. `places` may be null. Of the main
  // program the outputs share no memory with inputs or constants; of others they own their memory.
  std::vector<Datum> run(std::span<const Datum> inputs, const SymbolValues& around,
                         OutputPlaces* places);
  // For a step of this frame that is running. `step`: its position in the code.
  std::vector<Datum> run_subprogram(int step, int index, std::vector<Datum> inputs);
  // Types of what it would return, as far as they are known now: with constants for bound symbols.
  std::vector<Type> subprogram_types(int step, int index) const;

  Arena& arena() { return arena_; }
  // Of the binding used last.
  ArenaLayout layout() const;
  // Lays the program out without running it.
  const Binding& lay_out(const InputDims& inputs, const SymbolValues& around);

 private:
  class Cleaner;

  void select_binding(std::span<const Datum> inputs, const SymbolValues& around);
  bool fits(const Binding& binding, std::span<const Datum> inputs,
            const SymbolValues& around) const;
  void check_inputs(std::span<const Datum> inputs) const;
  void place_inputs(std::span<const Datum> inputs);
  void place_outputs(OutputPlaces* places);
  void rebind_aliases(plan::Storage storage_of_root);
  template <bool observed>
  void run_steps();
  void run_step(size_t i);
  // Records the segment, or replays it, if it may; false: its steps are to be run one by one.
  bool run_segment(size_t s);
  void reserve_arenas();
  void run_guarded();
  void observe(size_t i, std::chrono::steady_clock::time_point start);
  void prepare_dynamic(size_t i);
  void allocate_outputs(size_t i);
  void bind_dynamic(size_t i);
  void finish_dynamic(size_t i);
  void check_made(const StepCode& step, int32_t v);
  std::vector<Datum> take_outputs(std::span<const Datum> inputs);
  Datum take_output(size_t i, std::span<const Datum> inputs);
  void release();
  [[noreturn]] void rethrow(const plan::Step& step) const;
  Datum& slot(int32_t v) { return binding_->values[static_cast<size_t>(v)]; }
  const ValueCode& code(int32_t v) const { return program_.values[static_cast<size_t>(v)]; }

  const ProgramCode& program_;
  RunState& run_;
  Arena arena_;
  DeviceArena device_arena_;
  std::vector<std::unique_ptr<Binding>> bindings_;  // most recently used first
  Binding* binding_ = nullptr;
  size_t current_step_ = 0;
  std::vector<OwnedBytes> output_memory_;                      // by output
  std::vector<std::vector<std::unique_ptr<Frame>>> children_;  // by step, by subprogram
};

// A copy where the data do not own their memory (an arena's, a caller's).
void own(Datum& datum);
// A copy that shares nothing.
Datum deep_copy(const Datum& datum);
// The same in the host's memory; `device` reads the bytes if they are not there, else null.
Datum deep_copy(const Datum& datum, DeviceSession* device);

}  // namespace planish
