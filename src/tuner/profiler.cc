// SPDX-License-Identifier: Apache-2.0
#include "tuner/profiler.h"

#include <algorithm>

namespace planish::tuner {
namespace {

constexpr int kMostRepeats = 100;
constexpr double kHopelessAtOnce = 20;

struct Entrant {
  size_t index;
  Runnable* runnable;
  int repeats = 1;
  std::vector<double> turns;
  bool is_out = false;

  double seconds() const {
    std::vector<double> sorted = turns;
    const auto quartile = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() - 1) / 4);
    std::nth_element(sorted.begin(), quartile, sorted.end());
    return *quartile;
  }
  double least() const { return *std::min_element(turns.begin(), turns.end()); }
  void take_turn(Meter& meter) {
    double least = meter.time(*runnable);
    for (int i = 1; i < repeats; ++i) least = std::min(least, meter.time(*runnable));
    turns.push_back(least);
  }
};

double best_of(const std::vector<Entrant>& entrants) {
  double best = entrants.front().seconds();
  for (const Entrant& e : entrants) best = std::min(best, e.seconds());
  return best;
}

}  // namespace

std::optional<std::vector<std::optional<double>>> profile(Meter& meter,
                                                          std::span<Runnable* const> runnables,
                                                          const ProfilerOptions& options) {
  const auto is_over = [&] { return options.is_over && options.is_over(); };
  std::vector<Entrant> entrants;
  for (size_t i = 0; i < runnables.size(); ++i)
    if (runnables[i] != nullptr) entrants.push_back({.index = i, .runnable = runnables[i]});
  std::vector<std::optional<double>> seconds(runnables.size());
  if (entrants.empty()) return seconds;
  for (Entrant& e : entrants) {
    if (is_over()) return std::nullopt;
    const double once = meter.time(*e.runnable);
    if (once < options.turn_seconds)
      e.repeats = static_cast<int>(
          std::clamp(options.turn_seconds / std::max(once, 1e-9), 1.0, double{kMostRepeats}));
  }
  for (int round = 0; round < options.rounds; ++round) {
    for (Entrant& e : entrants) {
      if (e.is_out) continue;
      if (is_over()) {
        if (round == 0) return std::nullopt;
        break;
      }
      e.take_turn(meter);
    }
    const double best = best_of(entrants);
    int left = 0;
    for (Entrant& e : entrants) {
      // One turn may have been disturbed; two by more than that are no accident.
      const double hopeless = round == 0 ? kHopelessAtOnce : options.hopeless;
      e.is_out |= e.least() > hopeless * best;
      left += e.is_out ? 0 : 1;
    }
    if (left <= 1 || is_over()) break;
  }
  for (const Entrant& e : entrants) seconds[e.index] = e.seconds();
  return seconds;
}

}  // namespace planish::tuner
