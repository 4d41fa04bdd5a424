// SPDX-License-Identifier: Apache-2.0
#include "backend/ref/compile/tactic_table.h"

#include "base/str.h"
#include "tuner/timing_cache.h"
#include "tuner/tuner.h"

namespace planish::ref {
namespace {

plan::Record record_of(const NodeProblem& of, const tuner::Choice& choice) {
  const std::vector<tuner::Tactic>& tactics = of.problem.tactics;
  plan::Record record{.kind = "tactic", .subject = of.node->name(), .fields = {}};
  record.fields["reason"] = choice.reason;
  if (choice.tactic != tuner::kNoTactic) record.fields["tactic"] = tactics[choice.tactic].name;
  std::vector<std::string> rivals;
  for (size_t t = 0; t < tactics.size(); ++t) {
    if (!choice.refusals[t].empty())
      record.fields[concat("refused ", tactics[t].name)] = choice.refusals[t];
    else if (t != choice.tactic)
      rivals.push_back(tactics[t].name);
  }
  if (!rivals.empty()) record.fields["rivals"] = join(rivals);
  return record;
}

}  // namespace

const NodeTactic* TacticTable::find(const ir::Node& node) const {
  const auto found = by_node_.find(&node);
  return found == by_node_.end() ? nullptr : &found->second;
}

void TacticTable::set(const ir::Node& node, NodeTactic tactic, plan::Record record) {
  by_node_[&node] = std::move(tactic);
  report_.push_back(std::move(record));
}

void TacticTable::decide(std::vector<NodeProblem> problems, const Options& options,
                         tuner::Meter& meter, const std::function<void()>& check_cancelled) {
  if (problems.empty()) return;
  tuner::TimingCache cache = options.timing_cache.empty()
                                 ? tuner::TimingCache()
                                 : tuner::TimingCache(options.timing_cache);
  tuner::Tuner tuner(meter,
                     {.level = static_cast<int>(options.level),
                      .seconds = options.tuning_seconds,
                      .check_cancelled = check_cancelled},
                     cache);
  std::vector<tuner::Problem> questions;
  questions.reserve(problems.size());
  for (const NodeProblem& p : problems) questions.push_back(p.problem);
  std::vector<tuner::Choice> choices = tuner.choose(questions);
  if (!options.timing_cache.empty()) {
    // Another build may have decided a problem meanwhile: what is in the file counts, so that the
    // next build makes the same plan.
    cache.save();
    choices = tuner.choose(questions);
  }
  for (size_t i = 0; i < problems.size(); ++i) {
    NodeTactic tactic{.name = "", .reason = choices[i].reason};
    if (choices[i].tactic != tuner::kNoTactic)
      tactic.name = problems[i].problem.tactics[choices[i].tactic].name;
    set(*problems[i].node, std::move(tactic), record_of(problems[i], choices[i]));
  }
}

}  // namespace planish::ref
