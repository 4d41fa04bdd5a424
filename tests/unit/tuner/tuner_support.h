// SPDX-License-Identifier: Apache-2.0
// A device that is not there: its clock goes on only when something runs on it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "planish/error.h"
#include "tuner/tuner.h"

namespace planish::test {

// How one tactic behaves.
struct FakeTactic {
  std::string name;
  double seconds = 1e-3;  // of each run, in turn; the last one stays
  double cost = 1e-3;
  std::string refusal;  // from the start
  std::string wrong;    // what the check finds
  std::string failure;  // what prepare() throws
};

class FakeMeter final : public tuner::Meter {
 public:
  double now() override { return now_; }
  double time(tuner::Runnable& runnable, int repeats) override;
  void pass(double seconds) { now_ += seconds; }
  int runs(const std::string& name) const {
    int n = 0;
    for (const auto& [tactic, count] : turns_) n += tactic == name ? count : 0;
    return n;
  }
  // Every turn so far, with its repeats, in order.
  const std::vector<std::pair<std::string, int>>& turns() const { return turns_; }

 private:
  double now_ = 100;
  std::vector<std::pair<std::string, int>> turns_;
};

// Opens count in `*opened`, if it is given.
tuner::Problem fake_problem(const std::string& key, std::vector<FakeTactic> tactics,
                            int* opened = nullptr);

// The name of what was chosen, "" for nothing.
std::string chosen(const tuner::Problem& problem, const tuner::Choice& choice);

}  // namespace planish::test
