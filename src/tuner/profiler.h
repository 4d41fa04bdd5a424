// SPDX-License-Identifier: Apache-2.0
// Measures tactics of one problem against each other.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "tuner/tactic.h"

namespace planish::tuner {

struct ProfilerOptions {
  int rounds = 5;              // turns of each tactic
  double turn_seconds = 2e-3;  // short runs are repeated within a turn until it takes so long
  // A tactic that has taken this many times as long as the best one, twice, gets no further turn.
  double hopeless = 1.5;
  std::function<bool()> is_over;  // asked between turns; true ends the measurement
};

// Seconds of one run of each, parallel to `runnables` (null entries are left out: nullopt). Nothing
// if time was over before everyone had one timed turn.
//
// All run once to warm up, then take turns in rounds, so that a drift of the device's speed meets
// all alike. Whatever else the machine does only makes a run slower: a turn counts as its shortest
// run, a tactic as the lower quartile of its turns.
std::optional<std::vector<std::optional<double>>> profile(Meter& meter,
                                                          std::span<Runnable* const> runnables,
                                                          const ProfilerOptions& options);

}  // namespace planish::tuner
