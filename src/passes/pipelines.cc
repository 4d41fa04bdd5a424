// SPDX-License-Identifier: Apache-2.0
#include "passes/pipelines.h"

#include "passes/canonicalize/algebra.h"
#include "passes/canonicalize/canonicalize.h"
#include "passes/canonicalize/recognize.h"
#include "passes/infer.h"
#include "passes/layout/transposes.h"

namespace planish::passes {
namespace {

bool renew_types(ir::Graph& graph, PassContext&) {
  infer_types(graph, Known::kKeep);
  return false;
}

// Order: types first, since the last round may have told more about the inputs of a node; control
// flow next, since a branch that is known to be taken shows its nodes to the rest; contents before
// constants, since a resolved shape makes more nodes constant; identities before the rules that
// look for neighbours; merging after folding, since equal constants make equal nodes; dead nodes
// last.
constexpr Pass kCleanup[] = {
    {"renew-types", renew_types},
    {"fold-control-flow", fold_control_flow},
    {"resolve-contents", resolve_contents},
    {"fold-constants", fold_constants},
    {"canonicalize-reshapes", canonicalize_reshapes},
    {"drop-identities", drop_identities},
    {"simplify-movement", simplify_movement},
    {"simplify-arithmetic", simplify_arithmetic},
    {"move-quantized", move_quantized},
    {"split-composites", split_composites},
    {"split-einsum", split_einsum},
    {"reduce-strength", reduce_strength},
    {"merge-transposes", merge_transposes},
    {"merge-common-nodes", merge_common_nodes},
    {"erase-dead-nodes", erase_dead_nodes},
};

// After a clean-up, which leaves one spelling of many; attention last, since what feeds it may be
// recognised first.
constexpr Pass kRecognition[] = {
    {"recognize-normalizations", recognize_normalizations},
    {"recognize-activations", recognize_activations},
    {"recognize-rearrangements", recognize_rearrangements},
    {"recognize-attention", recognize_attention},
};

// After recognition, since factors that go into weights are missing in a spelling.
constexpr Pass kWeights[] = {
    {"fold-into-weights", fold_into_weights},
};
constexpr int kRounds = 8;

std::vector<Pass> joined(std::initializer_list<std::span<const Pass>> groups) {
  std::vector<Pass> out;
  for (const auto& group : groups) out.insert(out.end(), group.begin(), group.end());
  return out;
}

}  // namespace

void canonicalize(ir::Graph& graph, PassContext& context, const PipelineOptions& options) {
  infer_types(graph, Known::kIgnore);
  run_to_fixpoint(graph, kCleanup, context, options, kRounds);
  run_to_fixpoint(graph, joined({kRecognition, kCleanup}), context, options, kRounds);
  run_to_fixpoint(graph, joined({kRecognition, kWeights, kCleanup}), context, options, kRounds);
}

std::vector<std::string> pass_names() {
  std::vector<std::string> names;
  for (const Pass& pass : joined({kCleanup, kRecognition, kWeights})) names.emplace_back(pass.name);
  return names;
}

}  // namespace planish::passes
