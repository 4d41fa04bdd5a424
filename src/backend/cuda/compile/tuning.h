// SPDX-License-Identifier: Apache-2.0
// Which tactic computes each node of a graph on the GPU.
#pragma once

#include <functional>

#include "backend/cuda/compile/kernel_compiler.h"
#include "backend/cuda/compile/lowering.h"
#include "backend/ref/compile/isolate.h"
#include "backend/ref/compile/tactic_table.h"
#include "base/options.h"
#include "ir/graph.h"

namespace planish::cuda {

// Compiles what is to be measured over all threads, then has the tuner choose. Without a device
// (`has_device` off) the timing cache and the cost model choose.
ref::TacticTable choose_tactics(const ir::Graph& graph, const Options& options,
                                const Lowering& lowering, const KernelCompiler& compiler,
                                bool has_device, const std::function<void()>& check_cancelled);

}  // namespace planish::cuda
