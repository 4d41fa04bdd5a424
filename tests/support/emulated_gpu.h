// SPDX-License-Identifier: Apache-2.0
// A GPU that is none: device memory is the host's, machine code is what g++ makes of the kernels,
// and launches run under the block emulator. With it the whole CUDA backend runs in tests on any
// machine.
//
//   EmulatedGpu gpu;                       // installed as the driver while it lives
//   plan = build_for_gpu(graph, options);  // with gpu.compiler()
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend/cuda/compile/kernel_compiler.h"
#include "backend/cuda/runtime/driver.h"

namespace planish::cuda {

struct EmulatedCounts {
  int launches = 0;
  int captures = 0;
  int replays = 0;
  int copies = 0;
  int allocations = 0;  // alive
};

class EmulatedGpu {
 public:
  EmulatedGpu();
  ~EmulatedGpu();
  EmulatedGpu(const EmulatedGpu&) = delete;
  EmulatedGpu& operator=(const EmulatedGpu&) = delete;

  std::shared_ptr<const KernelCompiler> compiler() const { return compiler_; }
  // Its memory is its own: the host's code crashes if it touches it.
  DriverDevice& device() const;
  // The compute capability from now on; 9.0 at first.
  void set_chip(int major, int minor);
  // Whether copies and kernels wrote all these bytes of device memory.
  bool is_written(const void* memory, uint64_t bytes) const;
  const EmulatedCounts& counts() const;
  // Whether the host has waited for all that was enqueued.
  bool is_idle() const;
  // Every later allocation beyond this many bytes in all fails.
  void set_memory(uint64_t bytes);

 private:
  class Device;
  class EmulatedDriver;
  std::shared_ptr<Device> device_;
  std::shared_ptr<const KernelCompiler> compiler_;
};

}  // namespace planish::cuda
