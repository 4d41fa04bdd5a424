// SPDX-License-Identifier: Apache-2.0
// NVIDIA's run-time compiler, opened when a build needs it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/cuda/compile/kernel_compiler.h"

namespace planish::cuda {

struct NvrtcSearch {
  std::shared_ptr<const KernelCompiler> compiler;  // null: not found
  std::string path;                                // of the library
  std::vector<std::string> tried;
};

// Looks for the library: `path` (a file or its folder) if it is not empty and nowhere else; else in
// the packages next to this library (nvidia-cuda-nvrtc installed by pip), under CUDA_HOME, where
// the system keeps libraries.
NvrtcSearch find_nvrtc(const std::string& path);

// Throws kDeviceError with a hint if there is none.
std::shared_ptr<const KernelCompiler> open_nvrtc(const std::string& path);

}  // namespace planish::cuda
