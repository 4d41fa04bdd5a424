// SPDX-License-Identifier: Apache-2.0
#include "unit/tuner/tuner_support.h"

namespace planish::test {
namespace {

class FakeRunnable final : public tuner::Runnable {
 public:
  explicit FakeRunnable(FakeTactic tactic) : tactic_(std::move(tactic)) {}
  void run() override {}
  const FakeTactic& tactic() const { return tactic_; }

 private:
  FakeTactic tactic_;
};

class FakeTrial final : public tuner::Trial {
 public:
  explicit FakeTrial(std::vector<FakeTactic> tactics) : tactics_(std::move(tactics)) {}
  std::unique_ptr<tuner::Runnable> prepare(size_t tactic) override {
    const FakeTactic& t = tactics_.at(tactic);
    if (!t.failure.empty()) throw Error(ErrorCode::kUnsupported, t.failure);
    return std::make_unique<FakeRunnable>(t);
  }
  std::string check(size_t tactic, tuner::Runnable&) override { return tactics_.at(tactic).wrong; }

 private:
  std::vector<FakeTactic> tactics_;
};

}  // namespace

double FakeMeter::time(tuner::Runnable& runnable) {
  const FakeTactic& tactic = static_cast<FakeRunnable&>(runnable).tactic();
  turns_.push_back(tactic.name);
  runnable.run();
  const bool is_disturbed = tactic.disturbed > 0 && runs(tactic.name) % tactic.disturbed == 0;
  const double seconds = tactic.seconds * (is_disturbed ? 10 : 1);
  now_ += seconds;
  return seconds;
}

tuner::Problem fake_problem(const std::string& key, std::vector<FakeTactic> tactics, int* opened) {
  tuner::Problem problem;
  problem.key = key;
  problem.label = "problem " + key;
  for (const FakeTactic& t : tactics) problem.tactics.push_back({t.name, t.cost, t.refusal});
  problem.open = [tactics = std::move(tactics), opened] {
    if (opened != nullptr) ++*opened;
    return std::make_unique<FakeTrial>(tactics);
  };
  return problem;
}

std::string chosen(const tuner::Problem& problem, const tuner::Choice& choice) {
  return choice.tactic == tuner::kNoTactic ? "" : problem.tactics.at(choice.tactic).name;
}

}  // namespace planish::test
