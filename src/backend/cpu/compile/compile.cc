// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/compile.h"

#include "backend/cpu/compile/lowering.h"
#include "backend/cpu/compile/pipeline.h"
#include "backend/cpu/kernels/isa.h"
#include "backend/ref/compile/lower.h"
#include "base/str.h"
#include "planish/error.h"
#include "runtime/engine.h"

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
             const passes::PipelineOptions& pipeline, const UsualShapes& shapes, plan::Plan& plan) {
  const std::vector<std::string> disabled = split_list(options.disable_tactic);
  const LowerTarget target{.isa = chosen_isa(options),
                           .threads = resolve_threads(static_cast<int>(options.threads)),
                           .disabled = {disabled.begin(), disabled.end()}};
  optimize(graph, context, pipeline);
  plan.target.backend = "cpu";
  plan.target.isa = isa_name(target.isa);
  TacticTable tactics = choose_tactics(graph, options, target, shapes, context.check_cancelled);
  ref::lower(
      graph,
      [&](const ir::Node& node) -> std::optional<ref::StepChoice> {
        if (context.check_cancelled) context.check_cancelled();
        const NodeTactic* tactic = tactics.find(node);
        if (tactic == nullptr) return lower_node(node, target);
        if (tactic->name.empty()) return std::nullopt;  // all refused: the portable kernel
        auto step = lower_as(node, target, tactic->name);
        if (!step)
          throw Error(
              ErrorCode::kInternal,
              concat("tactic ", tactic->name, " took the node before it was tuned, now not"),
              node.name());
        step->tactic += concat("; ", tactic->reason);
        return step;
      },
      plan);
  for (plan::Record& record : tactics.take_report()) plan.report.push_back(std::move(record));
}

}  // namespace planish::cpu
