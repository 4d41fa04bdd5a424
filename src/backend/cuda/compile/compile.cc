// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/compile.h"

#include <algorithm>
#include <set>
#include <utility>

#include "backend/cuda/compile/lowering.h"
#include "backend/cuda/compile/module_builder.h"
#include "backend/cuda/compile/nvrtc.h"
#include "backend/cuda/compile/pipeline.h"
#include "backend/cuda/compile/placement.h"
#include "backend/cuda/compile/remembering_compiler.h"
#include "backend/cuda/compile/trial.h"
#include "backend/cuda/compile/tuning.h"
#include "backend/cuda/runtime/driver.h"
#include "base/str.h"
#include "planish/error.h"

namespace planish::cuda {
namespace {

std::string target_names(const std::vector<Target>& targets) {
  std::vector<std::string> names;
  for (const Target& t : targets) names.push_back(t.name());
  return join(names, ",");
}

// Chips that there is no device of at hand, by the usual size of their kind.
int typical_multiprocessors(const Target& target) {
  switch (target.major) {
    case 7: return 40;
    case 8: return target.minor == 0 ? 108 : 84;
    case 10: return 148;
    case 12: return 170;
    default: return 132;
  }
}

void choose_targets(const Options& options, Lowering& lowering) {
  lowering.targets = parse_targets(options.target);
  if (!lowering.targets.empty()) {
    lowering.multiprocessors = typical_multiprocessors(lowering.targets.front());
    return;
  }
  const DeviceProperties chip = driver()->open(device_number(options.device))->properties();
  const int best = best_target(known_targets(), chip.major, chip.minor);
  if (best < 0)
    throw Error(ErrorCode::kDeviceError,
                concat(chip.name, " is sm_", chip.major, chip.minor, ", Planish makes code for ",
                       target_names(known_targets())),
                "", "use device=cpu");
  lowering.targets = {known_targets()[static_cast<size_t>(best)]};
  lowering.multiprocessors = chip.multiprocessors;
}

// Chooses a step for each node and remembers which values are made on the device.
class Chooser {
 public:
  Chooser(const ir::Graph& graph, const ref::TacticTable& tactics, Lowering& lowering)
      : tactics_(tactics), lowering_(lowering) {
    std::map<std::string, DimRange> symbols;
    for (const ir::Value* in : graph.inputs())
      if (in->type().has_rank())
        for (const Dim& d : *in->type().shape)
          if (d.is_symbol()) d.collect_symbols(symbols);
    for (const auto& [name, range] : symbols) bound_.insert(name);
  }

  std::optional<ref::StepChoice> operator()(const ir::Node& node) {
    if (!has_known_sizes(node) || is_shape_arithmetic(node)) return remember_host(node);
    const ref::NodeTactic* tactic = tactics_.find(node);
    lowering_.wanted = tactic != nullptr ? tactic->name : "";
    std::optional<ref::StepChoice> choice = lower_node(node, lowering_);
    if (!choice) return remember_host(node);
    if (tactic != nullptr) choice->tactic += concat("; ", tactic->reason);
    return choice;
  }

 private:
  std::optional<ref::StepChoice> remember_host(const ir::Node& node) {
    for (const ir::Value* out : node.outputs())
      if (out != nullptr) host_.insert(out);
    return std::nullopt;
  }

  // Device memory is planned before a run begins.
  bool has_known_sizes(const ir::Node& node) const {
    const auto is_known = [&](const ir::Value* v) {
      if (v == nullptr || v->is_constant()) return true;
      if (!v->type().has_rank() || dtype_bits(v->type().dtype) == 0) return false;
      std::map<std::string, DimRange> used;
      for (const Dim& d : *v->type().shape) d.collect_symbols(used);
      return std::all_of(used.begin(), used.end(),
                         [&](const auto& s) { return bound_.count(s.first) != 0; });
    };
    return std::all_of(node.inputs().begin(), node.inputs().end(), is_known) &&
           std::all_of(node.outputs().begin(), node.outputs().end(), is_known);
  }

  // Integers that come from the host's own: sizes, not data.
  bool is_shape_arithmetic(const ir::Node& node) const {
    for (const ir::Value* out : node.outputs())
      if (out != nullptr && !is_integer(out->type().dtype)) return false;
    bool from_host = false;
    for (const ir::Value* in : node.inputs()) {
      if (in == nullptr || in->is_constant()) continue;
      if (host_.count(in) == 0) return false;
      from_host = true;
    }
    return from_host;
  }

  const ref::TacticTable& tactics_;
  Lowering& lowering_;
  std::set<std::string> bound_;
  std::set<const ir::Value*> host_;
};

void report_placement(const PlacementReport& placement, plan::Plan& plan) {
  plan.report.push_back({"placement",
                         "",
                         {{"device_steps", std::to_string(placement.device_steps)},
                          {"host_steps", std::to_string(placement.host_steps.size())},
                          {"copies", std::to_string(placement.copies)}}});
  for (const std::string& step : placement.host_steps)
    plan.report.push_back({"host", step, {{"why", "no kernel for the GPU computes it"}}});
}

}  // namespace

std::vector<Target> parse_targets(const std::string& text) {
  std::vector<Target> targets;
  for (const std::string& name : split_list(text)) {
    const std::optional<Target> target = find_target(name);
    if (!target)
      throw Error(ErrorCode::kInvalidArgument, concat("option target: there is no target ", name),
                  "", concat("targets: ", target_names(known_targets())));
    if (std::find(targets.begin(), targets.end(), *target) == targets.end())
      targets.push_back(*target);
  }
  return targets;
}

std::string why_unusable(const Options& options) {
  std::string reason;
  const std::shared_ptr<Driver> found = find_driver(&reason);
  if (found == nullptr) return reason;
  try {
    const int number = device_number(options.device);
    const DeviceProperties chip = found->open(number)->properties();
    if (best_target(known_targets(), chip.major, chip.minor) < 0)
      return concat("cuda:", number, ", ", chip.name, ", has compute capability ", chip.major, ".",
                    chip.minor, ", for which Planish makes no kernels");
  } catch (const Error& error) {
    return error.what();
  }
  return find_nvrtc(options.nvrtc).compiler == nullptr
             ? "NVRTC, which compiles kernels, is not there"
             : "";
}

bool is_usable(const Options& options) { return why_unusable(options).empty(); }

void compile(ir::Graph& graph, const Options& options, passes::PassContext& context,
             const passes::PipelineOptions& pipeline, const ref::UsualShapes& shapes,
             std::shared_ptr<const KernelCompiler> compiler, plan::Plan& plan) {
  Lowering lowering;
  choose_targets(options, lowering);
  lowering.allow_tf32 = options.precision == "tf32";
  if (compiler == nullptr) compiler = open_nvrtc(options.nvrtc);
  compiler = std::make_shared<RememberingCompiler>(std::move(compiler));
  for (const Target& target : lowering.targets)
    if (!compiler->knows(target))
      throw Error(ErrorCode::kUnsupported,
                  concat(compiler->version(), " makes no code for ", target.name()), "",
                  "install a newer NVRTC: pip install nvidia-cuda-nvrtc");
  optimize(graph, options, context, pipeline);

  lowering.usual = std::make_shared<ref::UsualSizes>(graph, shapes);
  describe_target(lowering, *compiler, plan);
  ref::TacticTable tactics = choose_tactics(graph, options, lowering, *compiler,
                                            options.target.empty(), context.check_cancelled);
  Chooser chooser(graph, tactics, lowering);
  ref::lower(
      graph,
      [&](const ir::Node& node) {
        if (context.check_cancelled) context.check_cancelled();
        return chooser(node);
      },
      plan);
  for (plan::Record& record : tactics.take_report()) plan.report.push_back(std::move(record));
  report_placement(place_values(plan), plan);
  build_modules(lowering, *compiler, options, context, plan);
}

}  // namespace planish::cuda
