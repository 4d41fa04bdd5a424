// SPDX-License-Identifier: Apache-2.0
// What the CUDA backend needs of a GPU's driver. The real one opens libcuda.so.1 when it is first
// asked for; tests install one that runs kernels on the CPU.
//
// Every method but the first few acts in the calling thread's current device: make_current() first.
// All throw kOutOfMemory or kDeviceError with the driver's own words; after an error that leaves
// the device unusable the hint says that the process must be restarted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace planish::cuda {

struct DeviceProperties {
  std::string name;
  int major = 0;  // compute capability
  int minor = 0;
  int multiprocessors = 0;
  uint64_t memory_bytes = 0;
  uint64_t l2_bytes = 0;
  uint32_t shared_bytes = 0;  // that a block may ask for
};

// Opaque; 0 is none (of a stream: the legacy default stream).
using ModuleHandle = uintptr_t;
using FunctionHandle = uintptr_t;
using StreamHandle = uintptr_t;
using EventHandle = uintptr_t;
using GraphHandle = uintptr_t;

struct KernelLaunch {
  FunctionHandle function = 0;
  std::array<uint32_t, 3> grid{1, 1, 1};
  uint32_t threads = 1;
  uint32_t shared_bytes = 0;  // dynamic
  // The kernel waits by itself for the one before it, so its prologue may overlap that one's end.
  bool waits_for_predecessor = false;
  std::span<const std::byte> params;  // one struct, passed by value
};

struct FunctionUse {
  int registers = 0;
  int local_bytes = 0;
  int shared_bytes = 0;  // static
};

class DriverDevice {
 public:
  virtual ~DriverDevice() = default;
  virtual void make_current() = 0;
  virtual const DeviceProperties& properties() const = 0;

  // `for_weights`: kernels only read it, so they may do so before their predecessors end.
  virtual std::byte* allocate(uint64_t bytes, bool for_weights = false) = 0;
  virtual void release(std::byte* memory) noexcept = 0;
  // Between any two memories, of the host or the device, in the stream's order.
  virtual void copy(void* to, const void* from, uint64_t bytes, StreamHandle stream) = 0;
  virtual void fill(std::byte* to, int value, uint64_t bytes, StreamHandle stream) = 0;
  virtual bool is_device_memory(const void* memory) = 0;

  virtual ModuleHandle load_module(std::span<const std::byte> code) = 0;
  virtual void unload_module(ModuleHandle module) noexcept = 0;
  // `shared_bytes`: the most that it will be launched with.
  virtual FunctionHandle find_function(ModuleHandle module, const char* name,
                                       uint32_t shared_bytes) = 0;
  virtual FunctionUse use_of(FunctionHandle function) = 0;
  virtual void launch(const KernelLaunch& launch, StreamHandle stream) = 0;

  virtual StreamHandle create_stream() = 0;
  virtual void destroy_stream(StreamHandle stream) noexcept = 0;
  virtual void synchronize(StreamHandle stream) = 0;
  virtual bool is_capturing(StreamHandle stream) = 0;

  virtual EventHandle create_event() = 0;
  virtual void destroy_event(EventHandle event) noexcept = 0;
  virtual void record(EventHandle event, StreamHandle stream) = 0;
  virtual void wait(EventHandle event, StreamHandle stream) = 0;

  virtual void begin_capture(StreamHandle stream) = 0;
  virtual GraphHandle end_capture(StreamHandle stream) = 0;
  virtual void launch_graph(GraphHandle graph, StreamHandle stream) = 0;
  virtual void destroy_graph(GraphHandle graph) noexcept = 0;
};

class Driver {
 public:
  virtual ~Driver() = default;
  virtual int version() const = 0;  // 13000 is 13.0
  virtual int device_count() const = 0;
  virtual std::shared_ptr<DriverDevice> open(int device) = 0;
};

// The driver in use; opened at the first call, which throws kDeviceError with the reason and a hint
// if there is none.
std::shared_ptr<Driver> driver();
// Null instead of an exception; `reason`, if given, gets what was missing.
std::shared_ptr<Driver> find_driver(std::string* reason = nullptr);
// Takes the place of the real one from now on; null: the real one again.
void install_driver(std::shared_ptr<Driver> driver);

// "13.0"
std::string version_text(int version);

}  // namespace planish::cuda
