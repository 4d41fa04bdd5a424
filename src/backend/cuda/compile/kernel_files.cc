// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/kernel_compiler.h"
#include "base/hash.h"
#include "embed/cuda_kernels.h"

namespace planish::cuda {

const std::vector<std::pair<std::string_view, std::string_view>>& kernel_files() {
  static const auto kFiles = embed::cuda_kernels_files();
  return kFiles;
}

const std::string& kernel_files_hash() {
  static const std::string kHash = [] {
    Hasher hasher;
    for (const auto& [name, text] : kernel_files()) hasher.add(name).add(text);
    return hasher.digest128().hex();
  }();
  return kHash;
}

}  // namespace planish::cuda
