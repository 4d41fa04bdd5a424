// SPDX-License-Identifier: Apache-2.0
// One node of a network on its own: what the tuner measures and checks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/cpu/compile/lowering.h"
#include "ir/graph.h"
#include "runtime/thread_pool.h"
#include "tensor/tensor.h"
#include "tuner/tactic.h"

namespace planish::cpu {

// Dims of a node's inputs, parallel to them; empty for constants and absent ones.
using NodeDims = std::vector<Dims>;

// A graph of that node alone: its inputs with these dims, its constants as they are, values and
// nodes named by position. What the node means and nothing else: its text is a problem's key. Null
// if the shape rule objects: of symbols that are equal only at run time, each has a usual value of
// its own.
std::unique_ptr<ir::Graph> isolate(const ir::Node& node, const NodeDims& dims);

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
