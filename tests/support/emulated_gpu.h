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
  const EmulatedCounts& counts() const;
  // Every later allocation beyond this many bytes in all fails.
  void set_memory(uint64_t bytes);

 private:
  class Device;
  class EmulatedDriver;
  std::shared_ptr<Device> device_;
  std::shared_ptr<const KernelCompiler> compiler_;
};

}  // namespace planish::cuda
