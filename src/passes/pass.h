// SPDX-License-Identifier: Apache-2.0
// A pass changes a graph and says whether it did; a pipeline runs passes in order.
//
// Passes are deterministic and idempotent, and can be switched off by name. After each one the
// graph is verified and the culprit is named.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace planish::passes {

struct PassContext {
  int64_t fold_bytes = int64_t{64} << 20;  // what one constant made by folding may take
  int64_t fold_total_bytes = int64_t{1} << 30;
  // DequantizeLinear of 8-bit weights is not folded where the other factor is quantised too.
  bool keep_quantized_weights = false;
  std::function<void()> check_cancelled;  // throws kCancelled; may be empty
  std::map<std::string, int64_t> fired;   // how often each rule did, by its name
};

struct Pass {
  const char* name;
  bool (*run)(ir::Graph&, PassContext&);
};

struct PipelineOptions {
  std::set<std::string> disabled;
  // Called after each pass that changed the graph.
  std::function<void(const Pass&, const ir::Graph&)> observer;
  // Called after each run of a pass, with its time, that of verifying excluded.
  std::function<void(const Pass&, bool changed, double seconds)> timer;
};

// Runs the passes once, in order. Throws kInternal naming the pass that broke the graph.
bool run_pipeline(ir::Graph& graph, std::span<const Pass> passes, PassContext& context,
                  const PipelineOptions& options = {});
// Repeats the sequence until nothing changes, at most `rounds` times.
bool run_to_fixpoint(ir::Graph& graph, std::span<const Pass> passes, PassContext& context,
                     const PipelineOptions& options, int rounds);

// Calls f on `graph` and on every subgraph, innermost first.
void for_each_graph(ir::Graph& graph, const std::function<void(ir::Graph&)>& f);
// Erases pure nodes whose outputs nobody uses, and unused constants; in subgraphs too.
bool erase_dead_nodes(ir::Graph& graph, PassContext& context);

}  // namespace planish::passes
