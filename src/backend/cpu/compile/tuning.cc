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
#include "tuner/timing_cache.h"
#include "tuner/tuner.h"

namespace planish::cpu {
class TableBuilder {
 public:
  TableBuilder(const ir::Graph& graph, const Options& options, const LowerTarget& target,
               const UsualShapes& shapes, std::function<void()> check_cancelled)
      : options_(options), target_(target), check_cancelled_(std::move(check_cancelled)) {
    bind_symbols(graph, shapes);
  }

  TacticTable run(const ir::Graph& graph);

 private:
  void bind_symbols(const ir::Graph& graph, const UsualShapes& shapes);
  std::optional<int64_t> usual(const std::string& symbol) const;
  std::optional<NodeDims> usual_dims(const ir::Node& node) const;
  void collect(const ir::Graph& graph);
  void take_first(const ir::Node& node);
  void add(const ir::Node& node, std::vector<Offer> offers);
  void describe(const ir::Node& node, const std::vector<Offer>& offers, tuner::Problem& problem);
  double seconds_of(const ir::Node& isolated) const;
  plan::Record record(size_t i, const tuner::Choice& choice) const;

  const Options& options_;
  LowerTarget target_;
  std::function<void()> check_cancelled_;
  std::shared_ptr<ThreadPool> pool_;
  std::map<std::string, int64_t> symbols_;
  std::vector<const ir::Node*> nodes_;  // parallel to problems_
  std::vector<tuner::Problem> problems_;
  TacticTable table_;
};

namespace {

// What a dimension is taken for that no profile says anything about.
constexpr int64_t kUsualBatch = 1;
constexpr int64_t kUsualSize = 128;

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

// The first profile's usual shape, else a guess within the symbol's range.
void TableBuilder::bind_symbols(const ir::Graph& graph, const UsualShapes& shapes) {
  for (const ir::Value* in : graph.inputs()) {
    if (!in->type().has_rank()) continue;
    const Shape& shape = *in->type().shape;
    const auto given = shapes.find(in->name());
    for (size_t i = 0; i < shape.size(); ++i) {
      if (!shape[i].is_symbol()) continue;
      const DimRange range = shape[i].range();
      const bool is_given = given != shapes.end() && given->second.size() == shape.size();
      const int64_t value =
          is_given ? given->second[i]
                   : std::clamp(i == 0 ? kUsualBatch : kUsualSize, range.min, range.max);
      symbols_.emplace(shape[i].symbol_name(), value);
    }
  }
}

std::optional<int64_t> TableBuilder::usual(const std::string& symbol) const {
  const auto found = symbols_.find(symbol);
  return found == symbols_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<NodeDims> TableBuilder::usual_dims(const ir::Node& node) const {
  NodeDims all;
  for (const ir::Value* in : node.inputs()) {
    Dims& dims = all.emplace_back();
    if (in == nullptr || in->is_constant()) continue;
    if (!in->type().has_rank()) return std::nullopt;
    for (const Dim& d : *in->type().shape) {
      const auto value = d.evaluate([&](const std::string& name) { return usual(name); });
      if (!value || *value < 1) return std::nullopt;
      dims.push_back(*value);
    }
  }
  return all;
}

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
  table_.by_node_[&node] = choice;
  table_.report_.push_back({.kind = "tactic",
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
  nodes_.push_back(&node);
  problems_.push_back(std::move(problem));
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
  const std::optional<NodeDims> dims = usual_dims(node);
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

plan::Record TableBuilder::record(size_t i, const tuner::Choice& choice) const {
  const tuner::Problem& problem = problems_[i];
  plan::Record record{.kind = "tactic", .subject = nodes_[i]->name(), .fields = {}};
  record.fields["reason"] = choice.reason;
  if (choice.tactic != tuner::kNoTactic)
    record.fields["tactic"] = problem.tactics[choice.tactic].name;
  std::vector<std::string> rivals;
  for (size_t t = 0; t < problem.tactics.size(); ++t) {
    if (!choice.refusals[t].empty())
      record.fields[concat("refused ", problem.tactics[t].name)] = choice.refusals[t];
    else if (t != choice.tactic)
      rivals.push_back(problem.tactics[t].name);
  }
  if (!rivals.empty()) record.fields["rivals"] = join(rivals);
  return record;
}

TacticTable TableBuilder::run(const ir::Graph& graph) {
  collect(graph);
  if (problems_.empty()) return std::move(table_);
  tuner::TimingCache cache = options_.timing_cache.empty()
                                 ? tuner::TimingCache()
                                 : tuner::TimingCache(options_.timing_cache);
  WallClock clock;
  tuner::Tuner tuner(clock,
                     {.level = static_cast<int>(options_.level),
                      .seconds = options_.tuning_seconds,
                      .check_cancelled = check_cancelled_},
                     cache);
  std::vector<tuner::Choice> choices = tuner.choose(problems_);
  if (!options_.timing_cache.empty()) {
    // Another build may have decided a problem meanwhile: what is in the file counts, so that the
    // next build makes the same plan.
    cache.save();
    choices = tuner.choose(problems_);
  }
  for (size_t i = 0; i < problems_.size(); ++i) {
    NodeTactic& entry = table_.by_node_[nodes_[i]];
    if (choices[i].tactic != tuner::kNoTactic)
      entry.name = problems_[i].tactics[choices[i].tactic].name;
    entry.reason = choices[i].reason;
    table_.report_.push_back(record(i, choices[i]));
  }
  return std::move(table_);
}

const NodeTactic* TacticTable::find(const ir::Node& node) const {
  const auto found = by_node_.find(&node);
  return found == by_node_.end() ? nullptr : &found->second;
}

TacticTable choose_tactics(const ir::Graph& graph, const Options& options,
                           const LowerTarget& target, const UsualShapes& shapes,
                           const std::function<void()>& check_cancelled) {
  return TableBuilder(graph, options, target, shapes, check_cancelled).run(graph);
}

}  // namespace planish::cpu
