// SPDX-License-Identifier: Apache-2.0
#include "passes/pass.h"

#include <algorithm>
#include <chrono>

#include "base/str.h"
#include "ir/verify.h"
#include "ops/op.h"
#include "planish/error.h"

namespace planish::passes {

bool run_pipeline(ir::Graph& graph, std::span<const Pass> passes, PassContext& context,
                  const PipelineOptions& options) {
  bool changed = false;
  for (const Pass& pass : passes) {
    if (options.disabled.count(pass.name) != 0) continue;
    if (context.check_cancelled) context.check_cancelled();
    const auto start = std::chrono::steady_clock::now();
    const bool fired = pass.run(graph, context);
    if (options.timer)
      options.timer(
          pass, fired,
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    if (!fired) continue;
    changed = true;
    try {
      ir::verify(graph);
    } catch (const Error& e) {
      throw Error(e.code(), concat("after pass ", pass.name, ": ", e.what()), e.node(),
                  concat("build with --disable-pass ", pass.name, " and report this"));
    }
    if (options.observer) options.observer(pass, graph);
  }
  return changed;
}

bool run_to_fixpoint(ir::Graph& graph, std::span<const Pass> passes, PassContext& context,
                     const PipelineOptions& options, int rounds) {
  bool changed = false;
  for (int round = 0; round < rounds; ++round) {
    if (!run_pipeline(graph, passes, context, options)) break;
    changed = true;
  }
  return changed;
}

void for_each_graph(ir::Graph& graph, const std::function<void(ir::Graph&)>& f) {
  for (const auto& node : graph.nodes())
    for (const auto& [name, body] : node->subgraphs()) for_each_graph(*body, f);
  f(graph);
}

bool erase_dead_nodes(ir::Graph& graph, PassContext&) {
  bool changed = false;
  for_each_graph(graph, [&](ir::Graph& g) {
    std::vector<ir::Node*> nodes;
    for (const auto& node : g.nodes()) nodes.push_back(node.get());
    for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
      const bool used =
          std::any_of((*it)->outputs().begin(), (*it)->outputs().end(),
                      [](ir::Value* v) { return v != nullptr && !v->uses().empty(); });
      if (used || !get_op((*it)->op()).is_pure) continue;
      g.erase(*it);
      changed = true;
    }
    g.erase_unused_constants();
  });
  return changed;
}

}  // namespace planish::passes
