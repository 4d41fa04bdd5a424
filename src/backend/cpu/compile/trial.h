// SPDX-License-Identifier: Apache-2.0
// One node of a network on its own: what the tuner measures and checks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/cpu/compile/lowering.h"
#include "backend/ref/compile/isolate.h"
#include "ir/graph.h"
#include "runtime/thread_pool.h"
#include "tensor/tensor.h"
#include "tuner/tactic.h"

namespace planish::cpu {

using ref::isolate;
using ref::NodeDims;

// Multiplications of a node that `isolate` made, or elements where it has no product.
double work_of(const ir::Node& node);
// Bytes that it reads and writes.
double bytes_of(const ir::Node& node);

// Dims whose reference takes a moment: fewer pixels and rows, the channels as they are. Those that
// are given, if there is nothing to leave out. The node is one that `isolate` made with `dims`.
NodeDims shrink(const ir::Node& node, const NodeDims& dims);

// What `isolate` made with `dims`, with the tactics named. Each runs as a plan of one step would.
std::unique_ptr<tuner::Trial> open_trial(std::shared_ptr<const ir::Graph> isolated,
                                         const NodeDims& dims, std::vector<std::string> tactics,
                                         const LowerTarget& target,
                                         std::shared_ptr<ThreadPool> pool);

}  // namespace planish::cpu
