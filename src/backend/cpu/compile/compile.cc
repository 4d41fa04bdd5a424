// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/compile.h"

#include "backend/cpu/compile/lowering.h"
#include "backend/cpu/compile/pipeline.h"
#include "backend/cpu/kernels/isa.h"
#include "backend/ref/compile/lower.h"
#include "base/str.h"
#include "planish/error.h"

namespace planish::cpu {
namespace {

Isa chosen_isa(const Options& options) {
  if (options.isa == "auto") return best_isa();
  for (Isa isa : kAllIsas) {
    if (options.isa != isa_name(isa)) continue;
    if (!isa_supported(isa))
      throw Error(ErrorCode::kInvalidArgument, concat("option isa: this processor has ",
                                                      isa_name(best_isa()), ", not ", options.isa));
    return isa;
  }
  throw Error(ErrorCode::kInvalidArgument,
              concat("option isa: there is no instruction set ", options.isa));
}

}  // namespace

std::string target_isa(const Options& options) { return isa_name(chosen_isa(options)); }

void compile(ir::Graph& graph, const Options& options, passes::PassContext& context,
             const passes::PipelineOptions& pipeline, plan::Plan& plan) {
  const LowerTarget target{.isa = chosen_isa(options)};
  optimize(graph, context, pipeline);
  plan.target.backend = "cpu";
  plan.target.isa = isa_name(target.isa);
  ref::lower(
      graph,
      [&](const ir::Node& node) {
        if (context.check_cancelled) context.check_cancelled();
        return lower_node(node, target);
      },
      plan);
}

}  // namespace planish::cpu
