// SPDX-License-Identifier: Apache-2.0
// One thread's means to run an engine: its arena, its shapes, its budget.
//
// A context is used by one thread at a time and keeps its engine alive. After an error it can be
// used again.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/engine.h"
#include "tensor/tensor.h"

namespace planish {

inline constexpr int kAnyProfile = -1;

struct ContextOptions {
  int profile = kAnyProfile;  // inputs must fit it; kAnyProfile: one of them
};

class DeviceSession;

// What happened in one step.
struct StepEvent {
  int program = 0;
  int step = 0;
  const plan::Step* info = nullptr;
  double start = 0;                 // seconds since the run began
  double seconds = 0;               // with the subprograms that it ran
  std::span<Datum* const> outputs;  // null where not wanted; valid during the call
  DeviceSession* device = nullptr;  // reads the outputs' bytes, if they are in device memory
};
using StepObserver = std::function<void(const StepEvent&)>;

// Gives memory for an output when its size is known: at least `bytes`, aligned to 64, valid until
// the next run; null if there is none.
using OutputAllocator = std::function<std::byte*(int output, size_t bytes)>;

// Where a value, or the scratch memory of a step, lies in the arena, and how long.
struct Placement {
  int32_t value = -1;      // of the main program; -1: scratch memory
  int32_t first_step = 0;  // of the main program; the last one included
  int32_t last_step = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  bool on_device = false;  // in the arena in device memory
};
struct ArenaLayout {
  uint64_t arena_bytes = 0;
  uint64_t lower_bound = 0;
  uint64_t device_bytes = 0;
  uint64_t device_lower_bound = 0;
  std::vector<Placement> placements;
};

class Frame;

class Context {
 public:
  ~Context();

  const Engine& engine() const { return *engine_; }
  int profile() const { return profile_; }

  // One datum an input of the engine, in its order; an empty datum is an absent optional. Their
  // memory is read only and must stay until the call returns. The outputs are fresh, unless memory
  // was given for them. Throws kInvalidArgument, kInvalidType or kInvalidShape naming the input,
  // and what steps throw.
  std::vector<Datum> run(std::span<const Datum> inputs);

  // Memory for output i: data of the output's dtype are written to `memory`, which must be large
  // enough (kInvalidShape); empty: the context allocates. It may be the memory of an input: then it
  // changes when the run is over. It stays bound. `owner` is held by the outputs.
  void set_output(int i, std::span<std::byte> memory, std::shared_ptr<const void> owner = nullptr);
  void set_allocator(OutputAllocator allocator);
  // Memory for the arena; must be as large as it needs when run (kInvalidArgument says how large)
  // and aligned to 64. Empty: the context's own.
  void set_scratch(std::span<std::byte> memory);
  // Empty: none. Steps of subprograms are reported too, before the step that runs them.
  void set_observer(StepObserver observer);
  void set_limits(const RunLimits& limits);
  // Of the main program at the shapes of the last run; empty before the first.
  ArenaLayout layout() const;
  // The device's stream that runs join; nullopt: the context's own. With `wait` off, run() returns
  // when all is enqueued: inputs and outputs must then stay until the stream is done with them, and
  // outputs be bound to memory. Without a device both are ignored.
  void set_stream(std::optional<void*> stream, bool wait = true);

 private:
  friend class Engine;
  Context(std::shared_ptr<const Engine> engine, const EngineCode& code, int profile);
  struct Impl;

  std::shared_ptr<const Engine> engine_;
  int profile_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace planish
