// SPDX-License-Identifier: Apache-2.0
// Which tactic computes each node of a graph.
#pragma once

#include <functional>

#include "backend/cpu/compile/lowering.h"
#include "backend/ref/compile/isolate.h"
#include "backend/ref/compile/tactic_table.h"
#include "base/options.h"
#include "ir/graph.h"

namespace planish::cpu {

using ref::NodeTactic;
using ref::TacticTable;
using ref::UsualShapes;

// Tunes every problem of `graph`, subgraphs included, as options.level, tuning_seconds and
// timing_cache say, and saves the cache. Throws what the cache and `check_cancelled` throw.
TacticTable choose_tactics(const ir::Graph& graph, const Options& options,
                           const LowerTarget& target, const UsualShapes& shapes,
                           const std::function<void()>& check_cancelled);

}  // namespace planish::cpu
