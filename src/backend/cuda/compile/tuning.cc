// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/tuning.h"

#include <algorithm>
#include <array>

#include "backend/cuda/compile/module_builder.h"
#include "backend/cuda/compile/trial.h"
#include "backend/cuda/runtime/target.h"
#include "base/str.h"
#include "ir/text.h"
#include "tuner/timing_cache.h"
#include "tuner/tuner.h"

namespace planish::cuda {
namespace {

// Tactics of a problem that are compared at each level.
constexpr std::array<size_t, 6> kRivals = {3, 3, 4, 5, 10, 24};

class TableBuilder {
 public:
  TableBuilder(const Options& options, const Lowering& lowering, const KernelCompiler& compiler,
               bool has_device, const std::function<void()>& check_cancelled)
      : options_(options),
        lowering_(lowering),
        full_(lowering),
        compiler_(compiler),
        check_(check_cancelled),
        cache_(options.timing_cache.empty() ? tuner::TimingCache()
                                            : tuner::TimingCache(options.timing_cache)) {
    lowering_.packs = false;
    if (!has_device) return;
    device_ = driver()->open(device_number(options.device));
    device_->make_current();
    stream_ = {reinterpret_cast<void*>(device_->create_stream()), [device = device_](void* s) {
                 device->destroy_stream(reinterpret_cast<StreamHandle>(s));
               }};
  }

  ref::TacticTable run(const ir::Graph& graph) {
    ref::TacticTable table;
    if (options_.level == 0 && options_.timing_cache.empty()) return table;
    collect(graph);
    if (device_ != nullptr && options_.level > 0) compile_rivals();
    const Bench bench{options_, full_, compiler_, device_, stream_};
    bench_ = &bench;
    DeviceClock clock(bench);
    table.decide(std::move(problems_), options_, clock, check_);
    return table;
  }

 private:
  void collect(const ir::Graph& graph) {
    for (const auto& node : graph.nodes()) {
      if (check_) check_();
      lowering_.wanted.clear();
      if (lower_node(*node, lowering_) && lowering_.offers.size() > 1) add(*node);
      if (node->op() == "planish.Fused") continue;
      for (const auto& [name, sub] : node->subgraphs()) collect(*sub);
    }
  }

  void add(const ir::Node& node) {
    tuner::Problem problem;
    problem.label = concat(node.op(), " \"", node.name(), "\"");
    const auto dims = lowering_.usual->of_inputs(node);
    const std::shared_ptr<const ir::Graph> isolated = dims ? ref::isolate(node, *dims) : nullptr;
    if (isolated != nullptr) {
      problem.key = ir::print(*isolated, {.names = false, .max_elements = 1, .bulk = false});
    } else {
      problem.key = concat("sizes unknown: ", node.op());
    }
    // The same at every level, so that a cache serves all.
    problem.key += "tactics";
    for (const Lowering::Offer& offer : lowering_.offers) problem.key += " " + offer.tactic;
    problem.key += concat("\ndevice ", identity());
    std::vector<std::string> names = add_rivals(problem);
    if (isolated != nullptr && device_ != nullptr) {
      problem.open = [this, isolated, names] { return open_trial(isolated, names, *bench_); };
      rivals_.emplace(problem.key, Rivals{isolated, std::move(names)});
    }
    problems_.push_back({&node, std::move(problem)});
  }

  // The level's share of the offers, and the one that the cache knows.
  std::vector<std::string> add_rivals(tuner::Problem& problem) const {
    const size_t most = kRivals[static_cast<size_t>(std::clamp<int64_t>(options_.level, 0, 5))];
    const tuner::CachedChoice* cached = cache_.find(problem.key);
    std::vector<std::string> names;
    for (const Lowering::Offer& offer : lowering_.offers) {
      if (names.size() >= most && (cached == nullptr || cached->tactic != offer.tactic)) continue;
      names.push_back(offer.tactic);
      problem.tactics.push_back({offer.tactic, offer.seconds, ""});
    }
    return names;
  }

  std::string identity() const {
    std::string text = concat(compiler_.version(), " ", kernel_files_hash(), " ");
    for (const Target& target : lowering_.targets) text += target.name();
    return concat(text, " ", lowering_.multiprocessors, lowering_.allow_tf32 ? " tf32" : "");
  }

  // Into the compiler's memory, where trials and the plan find them.
  void compile_rivals() {
    Lowering all = lowering_;
    for (const auto& [key, rivals] : rivals_) {
      if (cache_.find(key) != nullptr) continue;
      for (const std::string& name : rivals.names) {
        all.wanted = name;
        lower_node(*rivals.isolated->nodes().front(), all);
      }
    }
    plan::Plan unused;
    passes::PassContext context;
    context.check_cancelled = check_;
    build_modules(all, compiler_, options_, context, unused);
  }

  struct Rivals {
    std::shared_ptr<const ir::Graph> isolated;
    std::vector<std::string> names;
  };

  const Options& options_;
  Lowering lowering_;  // packs nothing
  const Lowering& full_;
  const KernelCompiler& compiler_;
  const std::function<void()>& check_;
  const tuner::TimingCache cache_;  // as it was before
  std::shared_ptr<DriverDevice> device_;
  std::shared_ptr<void> stream_;
  const Bench* bench_ = nullptr;
  std::vector<ref::NodeProblem> problems_;
  std::map<std::string, Rivals> rivals_;  // by key, each once
};

}  // namespace

ref::TacticTable choose_tactics(const ir::Graph& graph, const Options& options,
                                const Lowering& lowering, const KernelCompiler& compiler,
                                bool has_device, const std::function<void()>& check_cancelled) {
  TableBuilder builder(options, lowering, compiler, has_device, check_cancelled);
  return builder.run(graph);
}

}  // namespace planish::cuda
