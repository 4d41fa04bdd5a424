// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/pipeline.h"

#include <set>
#include <string>

#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/images.h"
#include "backend/cuda/compile/lowering.h"
#include "backend/cuda/compile/precision.h"
#include "passes/canonicalize/algebra.h"
#include "passes/canonicalize/canonicalize.h"
#include "passes/fuse/fuse.h"
#include "passes/layout/heads.h"
#include "passes/layout/transposes.h"

namespace planish::cuda {
namespace {

// A matrix product or convolution: its kernels take an expression as the tail of each tile.
bool is_root(const ir::Node& node) {
  const std::string& op = node.op();
  if (op != "planish.ConvNhwc" && op != "planish.ConvTransposeNhwc" && op != "MatMul") return false;
  const ir::Value* x = node.input(0);
  const ir::Value* w = node.input(1);
  if (!is_real(x) || !is_real(w) || shape_of(x).size() < 2 || shape_of(w).size() < 2) return false;
  return op == "MatMul" || shape_of(x).size() >= 3;
}

// Kernels over rows, planes and windows: they take tails too.
bool is_light_root(const ir::Node& node) {
  static const std::set<std::string, std::less<>> kOps = {"Softmax",
                                                          "LogSoftmax",
                                                          "LayerNormalization",
                                                          "RMSNormalization",
                                                          "InstanceNormalization",
                                                          "GroupNormalization",
                                                          "planish.InstanceNormalizationNhwc",
                                                          "planish.GroupNormalizationNhwc",
                                                          "planish.MaxPoolNhwc",
                                                          "planish.AveragePoolNhwc",
                                                          "ReduceSum",
                                                          "ReduceMean",
                                                          "ReduceMax",
                                                          "ReduceMin",
                                                          "ReduceL1",
                                                          "ReduceL2",
                                                          "ReduceSumSquare"};
  return kOps.count(node.op()) != 0 && is_real(node.input(0));
}

bool fuse_tails(ir::Graph& graph, passes::PassContext&) {
  constexpr passes::FusePolicy kPolicy{.is_root = is_root,
                                       .is_member = is_float_pointwise,
                                       .max_inputs = 8,
                                       .max_nodes = 32,
                                       .is_light_root = is_light_root};
  return passes::fuse(graph, kPolicy);
}

constexpr passes::Pass kLayout[] = {
    {"use-channels-last", passes::use_channels_last},
};

// Sinking before merging: a transpose that has reached another is merged in the same round. Folding
// brings transposed constants into place; common transposes of one value become one.
constexpr passes::Pass kTransposes[] = {
    {"sink-transposes", passes::sink_transposes},
    {"pack-heads", passes::pack_heads},
    {"merge-transposes", passes::merge_transposes},
    {"canonicalize-reshapes", passes::canonicalize_reshapes},
    {"drop-identities", passes::drop_identities},
    {"fold-constants", passes::fold_constants},
    {"merge-common-nodes", passes::merge_common_nodes},
    {"erase-dead-nodes", passes::erase_dead_nodes},
};
constexpr int kRounds = 8;

// Last, since nothing looks into bodies. Images come after tails: they join the body that the tail
// made.
constexpr passes::Pass kFusion[] = {
    {"fuse-tails", fuse_tails},
    {"take-images-as-they-are", take_images_as_they_are},
};

}  // namespace

void optimize(ir::Graph& graph, const Options& options, passes::PassContext& context,
              const passes::PipelineOptions& pipeline) {
  passes::run_pipeline(graph, kLayout, context, pipeline);
  passes::run_to_fixpoint(graph, kTransposes, context, pipeline, kRounds);
  set_precision(graph, options);
  passes::run_pipeline(graph, kFusion, context, pipeline);
}

std::vector<std::string> pass_names() {
  std::vector<std::string> names;
  for (const passes::Pass& pass : kLayout) names.emplace_back(pass.name);
  for (const passes::Pass& pass : kFusion) names.emplace_back(pass.name);
  for (const passes::Pass& pass : kTransposes) names.emplace_back(pass.name);
  return names;
}

}  // namespace planish::cuda
