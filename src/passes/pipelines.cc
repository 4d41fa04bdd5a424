// SPDX-License-Identifier: Apache-2.0
#include "passes/pipelines.h"

#include "passes/canonicalize/algebra.h"
#include "passes/canonicalize/canonicalize.h"
#include "passes/infer.h"
#include "passes/layout/transposes.h"

namespace planish::passes {
namespace {

// Order: control flow first, since a branch that is known to be taken shows its nodes to the rest;
// contents before constants, since a resolved shape makes more nodes constant; identities before
// the rules that look for neighbours; composites before strength and weights, which know their
// parts; merging after folding, since equal constants make equal nodes; dead nodes last.
constexpr Pass kCleanup[] = {
    {"fold-control-flow", fold_control_flow},
    {"resolve-contents", resolve_contents},
    {"fold-constants", fold_constants},
    {"canonicalize-reshapes", canonicalize_reshapes},
    {"drop-identities", drop_identities},
    {"split-composites", split_composites},
    {"reduce-strength", reduce_strength},
    {"fold-into-weights", fold_into_weights},
    {"merge-transposes", merge_transposes},
    {"merge-common-nodes", merge_common_nodes},
    {"erase-dead-nodes", erase_dead_nodes},
};
constexpr int kRounds = 8;

}  // namespace

void canonicalize(ir::Graph& graph, PassContext& context, const PipelineOptions& options) {
  infer_types(graph, Known::kIgnore);
  run_to_fixpoint(graph, kCleanup, context, options, kRounds);
}

std::vector<std::string> pass_names() {
  std::vector<std::string> names;
  for (const Pass& pass : kCleanup) names.push_back(pass.name);
  return names;
}

}  // namespace planish::passes
