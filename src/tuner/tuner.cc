// SPDX-License-Identifier: Apache-2.0
#include "tuner/tuner.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "base/log.h"
#include "base/str.h"
#include "planish/error.h"
#include "tuner/profiler.h"

namespace planish::tuner {
namespace {

// A difference below this share is noise: the tactic that is named first is taken.
constexpr double kTie = 0.03;

constexpr int kLevels = 6;
constexpr double kNoLimit = std::numeric_limits<double>::infinity();
constexpr std::array<Effort, kLevels> kEfforts = {{
    {.share = 0, .least_seconds = kNoLimit, .rounds = 0, .most_seconds = 0},
    {.share = 0.5, .least_seconds = 100e-6, .rounds = 3, .most_seconds = 0.8},
    {.share = 0.8, .least_seconds = 50e-6, .rounds = 3, .most_seconds = 2},
    {.share = 0.95, .least_seconds = 50e-6, .rounds = 5, .most_seconds = kNoLimit},
    {.share = 1, .least_seconds = 0, .rounds = 7, .most_seconds = kNoLimit},
    {.share = 1, .least_seconds = 0, .rounds = 15, .most_seconds = kNoLimit, .hopeless = 4},
}};

size_t count_offered(const Problem& problem) {
  return static_cast<size_t>(
      std::count_if(problem.tactics.begin(), problem.tactics.end(),
                    [](const Tactic& tactic) { return tactic.refusal.empty(); }));
}

double least_cost(const Problem& problem) {
  double least = kNoLimit;
  for (const Tactic& tactic : problem.tactics)
    if (tactic.refusal.empty()) least = std::min(least, tactic.cost);
  return least;
}

// The cheapest by `cost_of` (infinity: out of question); within a tie the first.
template <class CostOf>
size_t cheapest(const Problem& problem, double tie, CostOf cost_of) {
  double least = kNoLimit;
  for (size_t i = 0; i < problem.tactics.size(); ++i) least = std::min(least, cost_of(i));
  if (least == kNoLimit) return kNoTactic;
  for (size_t i = 0; i < problem.tactics.size(); ++i)
    if (cost_of(i) <= least * (1 + tie)) return i;
  return kNoTactic;
}

// A choice of the cost model, among tactics that have not been found wrong.
void estimate(const Problem& problem, CachedChoice& choice) {
  const size_t i = cheapest(problem, 0, [&](size_t t) {
    const Tactic& tactic = problem.tactics[t];
    return tactic.refusal.empty() && choice.refusals.count(tactic.name) == 0 ? tactic.cost
                                                                             : kNoLimit;
  });
  choice.tactic = i == kNoTactic ? "" : problem.tactics[i].name;
  choice.measured = false;
}

// A cached choice says what this build would; a hostile or old one may name anything.
bool is_usable(const CachedChoice& cached, const Problem& problem, int level) {
  const bool is_enough =
      cached.measured ? cached.level == kLevels - 1 || level < kLevels - 1 : cached.level >= level;
  if (!is_enough) return false;
  return std::any_of(problem.tactics.begin(), problem.tactics.end(), [&](const Tactic& tactic) {
    return tactic.name == cached.tactic && tactic.refusal.empty();
  });
}

bool is_fastest(const CachedChoice& cached) {
  const auto own = cached.seconds.find(cached.tactic);
  return own == cached.seconds.end() ||
         std::none_of(cached.seconds.begin(), cached.seconds.end(),
                      [&](const auto& other) { return other.second < own->second; });
}

Choice to_choice(const Problem& problem, const CachedChoice& cached) {
  Choice choice;
  size_t offered = 0;
  for (size_t i = 0; i < problem.tactics.size(); ++i) {
    const Tactic& tactic = problem.tactics[i];
    const auto found = cached.refusals.find(tactic.name);
    choice.refusals.push_back(!tactic.refusal.empty()          ? tactic.refusal
                              : found != cached.refusals.end() ? found->second
                                                               : "");
    offered += choice.refusals.back().empty() ? 1 : 0;
    if (tactic.name == cached.tactic) choice.tactic = i;
  }
  if (choice.tactic == kNoTactic)
    choice.reason = "every tactic refused";
  else if (offered == 1)
    choice.reason = "the only one that takes the problem";
  else if (cached.measured)
    choice.reason = concat(
        is_fastest(cached) ? "the fastest of " : "preferred, and within 3 % of the fastest of ",
        offered, " that were measured");
  else
    choice.reason = concat("the least estimated cost of ", offered, "; not measured");
  return choice;
}

void log_times(const Problem& problem, const CachedChoice& choice) {
  if (!log_enabled(LogLevel::kInfo)) return;
  double best = kNoLimit;
  for (const auto& [name, seconds] : choice.seconds) best = std::min(best, seconds);
  std::string text;
  for (const Tactic& tactic : problem.tactics) {
    const auto timed = choice.seconds.find(tactic.name);
    const auto refused = choice.refusals.find(tactic.name);
    if (timed != choice.seconds.end())
      text += concat("; ", tactic.name, " x", std::round(100 * timed->second / best) / 100);
    else if (refused != choice.refusals.end())
      text += concat("; ", tactic.name, " refused: ", refused->second);
    else if (!tactic.refusal.empty())
      text += concat("; ", tactic.name, " refused: ", tactic.refusal);
  }
  log(LogLevel::kInfo, concat("tuned ", problem.label, ": ", choice.tactic,
                              best == kNoLimit ? "" : concat(", ", best * 1e6, " us"), text));
}

}  // namespace

Effort effort_of(int level) {
  return kEfforts[static_cast<size_t>(std::clamp(level, 0, kLevels - 1))];
}

// Problems with one key.
struct Tuner::Group {
  const Problem* problem;  // the first of them
  double cost = 0;         // estimated seconds of all runs
  bool is_measured = false;
  std::vector<size_t> members;
};

Tuner::Tuner(Meter& meter, TunerOptions options, TimingCache& cache)
    : meter_(meter),
      options_(std::move(options)),
      effort_(effort_of(options_.level)),
      cache_(cache) {}

std::vector<Tuner::Group> Tuner::group(std::span<const Problem> problems) const {
  std::vector<Group> groups;
  std::map<std::string_view, size_t> by_key;
  for (size_t i = 0; i < problems.size(); ++i) {
    const Problem& p = problems[i];
    const auto [it, is_fresh] = by_key.emplace(p.key, groups.size());
    if (is_fresh) groups.push_back({.problem = &p});
    Group& g = groups[it->second];
    g.cost += least_cost(p) * static_cast<double>(p.count);
    g.members.push_back(i);
  }
  return groups;
}

void Tuner::mark_heaviest(std::vector<Group>& groups) const {
  std::vector<Group*> order;
  double all = 0;
  for (Group& g : groups) {
    if (count_offered(*g.problem) < 2) continue;
    order.push_back(&g);
    all += g.cost;
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const Group* a, const Group* b) { return a->cost > b->cost; });
  double sum = 0;
  for (Group* g : order) {
    if (sum >= effort_.share * all || g->cost * meter_.worth() < effort_.least_seconds) break;
    g->is_measured = g->problem->open != nullptr;
    sum += g->cost;
  }
}

std::vector<Choice> Tuner::choose(std::span<const Problem> problems) {
  const double limit =
      options_.level >= kLevels - 1 ? kNoLimit : std::min(options_.seconds, effort_.most_seconds);
  deadline_ = meter_.now() + limit;
  std::vector<Group> groups = group(problems);
  mark_heaviest(groups);
  // The heaviest first: what time is left for is the lightest.
  std::vector<const Group*> order;
  for (const Group& g : groups) order.push_back(&g);
  std::stable_sort(order.begin(), order.end(),
                   [](const Group* a, const Group* b) { return a->cost > b->cost; });
  std::vector<Choice> choices(problems.size());
  for (const Group* g : order) {
    const CachedChoice cached = decide(*g);
    for (size_t member : g->members) choices[member] = to_choice(problems[member], cached);
  }
  return choices;
}

CachedChoice Tuner::decide(const Group& group) {
  const Problem& problem = *group.problem;
  CachedChoice choice;
  if (count_offered(problem) < 2) {
    estimate(problem, choice);
    return choice;
  }
  if (const CachedChoice* cached = cache_.find(problem.key);
      cached != nullptr && is_usable(*cached, problem, options_.level))
    return *cached;
  choice.level = options_.level;
  if (!group.is_measured || is_over() || !measure(problem, choice)) estimate(problem, choice);
  cache_.put(problem.key, choice);
  log_times(problem, choice);
  return choice;
}

bool Tuner::is_over() {
  if (options_.check_cancelled) options_.check_cancelled();
  return meter_.now() >= deadline_;
}

// False: time was up, or fewer than two tactics are left. Tactics that fail or are wrong are
// refused either way.
bool Tuner::measure(const Problem& problem, CachedChoice& choice) {
  std::unique_ptr<Trial> trial;
  try {
    trial = problem.open();
  } catch (const Error& error) {
    log(LogLevel::kWarning, concat("cannot measure ", problem.label, ": ", error.what()));
    return false;
  }
  std::vector<std::unique_ptr<Runnable>> owned(problem.tactics.size());
  std::vector<Runnable*> runnables(problem.tactics.size());
  for (size_t i = 0; i < problem.tactics.size(); ++i) {
    const Tactic& tactic = problem.tactics[i];
    if (!tactic.refusal.empty()) continue;
    std::string refusal;
    try {
      owned[i] = trial->prepare(i);
      refusal = trial->check(i, *owned[i]);
    } catch (const Error& error) {
      refusal = error.what();
    }
    if (refusal.empty()) {
      runnables[i] = owned[i].get();
      continue;
    }
    owned[i].reset();
    log(LogLevel::kWarning,
        concat("tactic ", tactic.name, " is refused for ", problem.label, ": ", refusal));
    choice.refusals[tactic.name] = refusal;
  }
  const auto seconds =
      profile(meter_, runnables,
              {.rounds = effort_.rounds, .hopeless = effort_.hopeless, .is_over = [this] {
                 return is_over();
               }});
  if (!seconds) return false;
  const size_t best =
      cheapest(problem, kTie, [&](size_t i) { return (*seconds)[i].value_or(kNoLimit); });
  if (best == kNoTactic) return false;
  for (size_t i = 0; i < seconds->size(); ++i)
    if ((*seconds)[i]) choice.seconds[problem.tactics[i].name] = *(*seconds)[i];
  choice.tactic = problem.tactics[best].name;
  choice.measured = true;
  return true;
}

}  // namespace planish::tuner
