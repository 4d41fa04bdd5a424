// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/tuning.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <set>

#include "backend/cpu/compile/machine.h"
#include "backend/cpu/compile/trial.h"
#include "base/log.h"
#include "base/str.h"
#include "ir/text.h"
#include "planish/error.h"
#include "runtime/engine.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {
class TableBuilder {
 public:
  TableBuilder(const ir::Graph& graph, const Options& options, const LowerTarget& target,
               const UsualShapes& shapes, std::function<void()> check_cancelled)
      : options_(options),
        target_(target),
        check_cancelled_(std::move(check_cancelled)),
        sizes_(graph, shapes) {}

  TacticTable run(const ir::Graph& graph);

 private:
  void collect(const ir::Graph& graph);
  void take_first(const ir::Node& node);
  void add(const ir::Node& node, std::vector<Offer> offers);
  void describe(const ir::Node& node, const std::vector<Offer>& offers, tuner::Problem& problem);
  double seconds_of(const ir::Node& isolated) const;

  const Options& options_;
  LowerTarget target_;
  std::function<void()> check_cancelled_;
  std::shared_ptr<ThreadPool> pool_;
  ref::UsualSizes sizes_;
  std::vector<ref::NodeProblem> problems_;
  TacticTable table_;
};

namespace {

class WallClock final : public tuner::Meter {
 public:
  double now() override {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  double time(tuner::Runnable& runnable) override {
    const double start = now();
    runnable.run();
    return now() - start;
  }
};

}  // namespace

double TableBuilder::seconds_of(const ir::Node& isolated) const {
  const double rate = multiplications_per_second(target_.isa) * target_.threads;
  return std::max(work_of(isolated) / rate, bytes_of(isolated) / kBytesPerSecond) + kStepSeconds;
}

void TableBuilder::collect(const ir::Graph& graph) {
  for (const auto& node : graph.nodes()) {
    if (check_cancelled_) check_cancelled_();
    if (has_rivals(*node)) {
      // Ranks are the cost model's order: what it would choose, without asking the others, whose
      // library stays closed. A cache may know better.
      if (options_.level == 0 && options_.timing_cache.empty())
        take_first(*node);
      else if (std::vector<Offer> offers = offers_for(*node, target_); offers.size() > 1)
        add(*node, std::move(offers));
    }
    if (node->op() == "planish.Fused") continue;
    for (const auto& [name, sub] : node->subgraphs()) collect(*sub);
  }
}

void TableBuilder::take_first(const ir::Node& node) {
  const auto tactic = first_tactic(node, target_);
  if (!tactic) return;
  const NodeTactic choice{*tactic, "the first that takes the problem; level 0 compares none"};
  table_.set(node, choice,
             {.kind = "tactic",
              .subject = node.name(),
              .fields = {{"reason", choice.reason}, {"tactic", choice.name}}});
}

void TableBuilder::add(const ir::Node& node, std::vector<Offer> offers) {
  tuner::Problem problem;
  problem.label = concat(node.op(), " \"", node.name(), "\"");
  const auto offered = std::count_if(offers.begin(), offers.end(),
                                     [](const Offer& offer) { return offer.step.has_value(); });
  for (Offer& offer : offers)
    problem.tactics.push_back({offer.tactic, offer.cost, std::move(offer.refusal)});
  if (offered > 1)
    describe(node, offers, problem);
  else
    problem.key = concat("no choice, node ", problems_.size());
  problems_.push_back({&node, std::move(problem)});
}

// Key, costs in seconds and how to measure.
void TableBuilder::describe(const ir::Node& node, const std::vector<Offer>& offers,
                            tuner::Problem& problem) {
  std::vector<std::string> names;
  bool has_onednn = false;
  for (const Offer& offer : offers) {
    names.push_back(offer.tactic);
    has_onednn |= offer.step && offer.tactic.starts_with("onednn.");
  }
  const std::optional<NodeDims> dims = sizes_.of_inputs(node);
  const std::shared_ptr<const ir::Graph> isolated = dims ? isolate(node, *dims) : nullptr;
  if (isolated != nullptr) {
    const double seconds = seconds_of(*isolated->nodes().front());
    for (tuner::Tactic& tactic : problem.tactics) tactic.cost *= seconds;
    problem.key = ir::print(*isolated, {.names = false, .max_elements = 1, .bulk = false});
    problem.open = [this, isolated, dims = *dims, names] {
      if (pool_ == nullptr) pool_ = std::make_shared<ThreadPool>(target_.threads);
      return open_trial(isolated, dims, names, target_, pool_);
    };
  } else {
    // The model's order of preference still holds.
    problem.key = concat("sizes unknown: ", node.op());
  }
  problem.key +=
      concat("tactics ", join(names), "\nmachine ", machine_identity(target_.isa, target_.threads));
  if (has_onednn) problem.key += onednn_identity();
}

TacticTable TableBuilder::run(const ir::Graph& graph) {
  collect(graph);
  WallClock clock;
  table_.decide(std::move(problems_), options_, clock, check_cancelled_);
  return std::move(table_);
}

TacticTable choose_tactics(const ir::Graph& graph, const Options& options,
                           const LowerTarget& target, const UsualShapes& shapes,
                           const std::function<void()>& check_cancelled) {
  return TableBuilder(graph, options, target, shapes, check_cancelled).run(graph);
}

}  // namespace planish::cpu
