// SPDX-License-Identifier: Apache-2.0
// Chooses a tactic for every problem of a network: from the timing cache, by measurement, or by the
// cost model. See docs/tuning.md.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tuner/tactic.h"
#include "tuner/timing_cache.h"

namespace planish::tuner {

// What a level spends.
struct Effort {
  // The heaviest problems are measured, until they make up this share of the estimated time of all
  // problems that have a choice.
  double share = 0;
  double least_seconds = 0;  // estimated, of all runs of a problem; lighter ones are not measured
  int rounds = 0;
  double most_seconds = 0;  // the level's own limit; the option tuning_seconds is another
  double hopeless = 1.5;    // see ProfilerOptions
};
Effort effort_of(int level);

struct TunerOptions {
  int level = 3;
  double seconds = 5;
  std::function<void()> check_cancelled;  // throws to end the build
};

inline constexpr size_t kNoTactic = SIZE_MAX;

struct Choice {
  size_t tactic = kNoTactic;          // kNoTactic: all refused
  std::string reason;                 // a sentence without durations
  std::vector<std::string> refusals;  // parallel to the tactics; empty: not refused
};

class Tuner {
 public:
  // `cache` is read and added to.
  Tuner(Meter& meter, TunerOptions options, TimingCache& cache);

  // Parallel to `problems`. Problems with one key get one choice.
  std::vector<Choice> choose(std::span<const Problem> problems);

 private:
  struct Group;
  std::vector<Group> group(std::span<const Problem> problems) const;
  void mark_heaviest(std::vector<Group>& groups) const;
  CachedChoice decide(const Group& group);
  bool measure(const Problem& problem, CachedChoice& choice);
  bool is_over();

  Meter& meter_;
  TunerOptions options_;
  Effort effort_;
  TimingCache& cache_;
  double deadline_ = 0;
};

}  // namespace planish::tuner
