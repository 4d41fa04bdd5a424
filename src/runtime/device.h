// SPDX-License-Identifier: Apache-2.0
// A device with memory of its own, as the runtime sees it. A backend gives one to each engine whose
// plan has values in device memory; a context works on it through a session.
//
// Work is ordered: what is enqueued runs after what was enqueued before it, and host code may look
// at the results after wait(). Addresses of device memory are kept as std::byte* and never read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace planish {

// Work that was enqueued once and can be enqueued again with one call, on the same addresses.
class DeviceRecording {
 public:
  virtual ~DeviceRecording() = default;
};

// One context's work on the device; used by one thread at a time.
class DeviceSession {
 public:
  virtual ~DeviceSession() = default;

  // Before each run. `stream`: the caller's, whose order the run joins; nullopt: the session's own.
  virtual void begin(std::optional<void*> stream) = 0;
  // After each run that is not waited for.
  virtual void end() = 0;
  // Whether recordings may be made now: not while the caller records the stream himself.
  virtual bool may_record() const = 0;
  // Work enqueued in between is kept and not run.
  virtual void begin_recording() = 0;
  virtual std::unique_ptr<DeviceRecording> end_recording() = 0;
  virtual void abandon_recording() noexcept = 0;
  virtual void replay(DeviceRecording& recording) = 0;

  // Aligned to 256 bytes. Throws kOutOfMemory. What is still enqueued is waited for before the
  // memory is given back.
  virtual std::shared_ptr<std::byte> allocate(uint64_t bytes) = 0;
  virtual void fill(std::byte* memory, int value, uint64_t bytes) = 0;

  virtual bool is_device_memory(const void* memory) const = 0;
  // A copy of device memory in the host's, there when this returns.
  virtual void read(void* to, const void* from, uint64_t bytes) = 0;

  // Before host code reads what steps copied to it, or writes what they copy from.
  virtual void wait_for_copies() = 0;
  // For all that was enqueued; throws what the device reports.
  virtual void wait() = 0;
};

class DeviceEngine {
 public:
  virtual ~DeviceEngine() = default;
  // Copies tensors to memory that lives as long as the engine; the addresses, in their order.
  virtual std::vector<std::byte*> upload(std::span<const Tensor* const> tensors) = 0;
  virtual std::unique_ptr<DeviceSession> make_session() const = 0;
};

}  // namespace planish
