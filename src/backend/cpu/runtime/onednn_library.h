// SPDX-License-Identifier: Apache-2.0
// oneDNN's tactics lie in a library of their own, libplanish_onednn.so beside the runtime's. It is
// opened when the first step needs it, or when a build looks for tactics; engines without such
// steps run without it.
#pragma once

#include <memory>
#include <string>

#include "runtime/step_kernel.h"

namespace planish::cpu {

// What the library exports as planish_onednn_table.
struct OnednnTable {
  const char* planish_version;      // of the build that it belongs to
  std::string (*onednn_version)();  // and the commit, of the library that is loaded
  // The kernel of a step "onednn.conv", "onednn.deconv", "onednn.matmul" or "onednn.pool".
  std::unique_ptr<StepKernel> (*make)(const StepInfo& info);
};

// Null if the library cannot be used; then `*why`, if given, says in a sentence why not. Tried
// once.
const OnednnTable* find_onednn(std::string* why = nullptr);

}  // namespace planish::cpu
