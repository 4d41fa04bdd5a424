// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/pipeline.h"

#include <span>

#include "backend/cpu/compile/quantization.h"
#include "backend/cpu/compile/tape_builder.h"
#include "passes/canonicalize/algebra.h"
#include "passes/canonicalize/canonicalize.h"
#include "passes/fuse/fuse.h"
#include "passes/layout/heads.h"
#include "passes/layout/transposes.h"
#include "passes/precision/widen.h"
#include "passes/quantize/quantize.h"

namespace planish::cpu {
namespace {

// A matrix product or convolution of floats: its kernels take a tape as the tail of each tile.
bool is_root(const ir::Node& node) {
  if (node.op() != "planish.ConvNhwc" && node.op() != "planish.ConvTransposeNhwc" &&
      node.op() != "MatMul")
    return false;
  const ir::Value* x = node.input(0);
  const ir::Value* w = node.input(1);
  return x->type().dtype == DType::kF32 && x->type().has_rank() && w->type().has_rank() &&
         w->type().shape->size() >= 2 && x->type().shape->size() >= 2;
}

bool fuse_tails(ir::Graph& graph, passes::PassContext&) {
  // One less than the tape takes, since the root's result is an input of its own.
  constexpr passes::FusePolicy kPolicy{.is_root = is_root,
                                       .is_member = is_fusible_tape_node,
                                       .max_inputs = kMaxTapeInputs - 3,
                                       .max_nodes = 24,
                                       .keeps_root_type = true};
  return passes::fuse(graph, kPolicy);
}

// Weights that no quantised product took are floats like others.
bool fold_quantized_weights(ir::Graph& graph, passes::PassContext& context) {
  context.keep_quantized_weights = false;
  return passes::fold_constants(graph, context);
}

constexpr passes::Pass kLayout[] = {
    {"widen-halves", passes::widen_halves},
    {"use-float-masks", passes::use_float_masks},
    {"spell-out-quantized", passes::spell_out_quantized},
    {"use-channels-last", passes::use_channels_last},
    {"use-integer-channels-last", passes::use_integer_channels_last},
};

// Sinking before merging: a transpose that has reached another is merged in the same round. Folding
// brings transposed constants into place; common transposes of one value become one.
constexpr passes::Pass kTransposes[] = {
    {"sink-transposes", passes::sink_transposes},
    {"sink-transposes-below-quantization", passes::sink_transposes_below_quantization},
    {"pack-heads", passes::pack_heads},
    {"merge-transposes", passes::merge_transposes},
    {"canonicalize-reshapes", passes::canonicalize_reshapes},
    {"drop-identities", passes::drop_identities},
    {"fold-constants", passes::fold_constants},
    {"merge-common-nodes", passes::merge_common_nodes},
    {"erase-dead-nodes", passes::erase_dead_nodes},
};
constexpr int kRounds = 8;

// Last, since nothing looks into bodies. Quantisation joins what has its tail already.
constexpr passes::Pass kFusion[] = {
    {"raise-transposes-above-dequantization", passes::raise_transposes_above_dequantization},
    {"fuse-tails", fuse_tails},
    {"absorb-quantization", absorb_quantization},
    {"fold-quantized-weights", fold_quantized_weights},
};

}  // namespace

void optimize(ir::Graph& graph, passes::PassContext& context,
              const passes::PipelineOptions& options) {
  passes::run_pipeline(graph, kLayout, context, options);
  passes::run_to_fixpoint(graph, kTransposes, context, options, kRounds);
  passes::run_pipeline(graph, kFusion, context, options);
}

std::vector<std::string> pass_names() {
  std::vector<std::string> names;
  for (const std::span<const passes::Pass> list :
       {std::span<const passes::Pass>(kLayout), std::span<const passes::Pass>(kTransposes),
        std::span<const passes::Pass>(kFusion)})
    for (const passes::Pass& pass : list) names.emplace_back(pass.name);
  return names;
}

}  // namespace planish::cpu
