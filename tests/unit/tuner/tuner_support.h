// SPDX-License-Identifier: Apache-2.0
// A device that is not there: its clock goes on only when something runs on it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "planish/error.h"
#include "tuner/tuner.h"

namespace planish::test {

// How one tactic behaves.
struct FakeTactic {
  std::string name;
  double seconds = 1e-3;  // of each run
  double cost = 1e-3;
  std::string refusal;  // from the start
  std::string wrong;    // what the check finds
  std::string failure;  // what prepare() throws
  int disturbed = 0;    // every so many runs one takes ten times as long; 0: none
};

class FakeMeter final : public tuner::Meter {
 public:
  double now() override { return now_; }
  double time(tuner::Runnable& runnable) override;
  void pass(double seconds) { now_ += seconds; }
  int runs(const std::string& name) const {
    int n = 0;
    for (const std::string& tactic : turns_) n += tactic == name ? 1 : 0;
    return n;
  }
  // The tactic of every run so far.
  const std::vector<std::string>& turns() const { return turns_; }

 private:
  double now_ = 100;
  std::vector<std::string> turns_;
};

// Opens count in `*opened`, if it is given.
tuner::Problem fake_problem(const std::string& key, std::vector<FakeTactic> tactics,
                            int* opened = nullptr);

// The name of what was chosen, "" for nothing.
std::string chosen(const tuner::Problem& problem, const tuner::Choice& choice);

}  // namespace planish::test
