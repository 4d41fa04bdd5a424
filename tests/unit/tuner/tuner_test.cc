// SPDX-License-Identifier: Apache-2.0
#include "tuner/tuner.h"

#include <gmock/gmock.h>

#include "tuner/profiler.h"
#include "unit/tuner/tuner_support.h"

namespace planish::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using tuner::Choice;
using tuner::Problem;
using tuner::TimingCache;
using tuner::Tuner;

// Problems of one network at one level, from an empty cache unless one is given.
std::vector<Choice> tune(FakeMeter& meter, const std::vector<Problem>& problems, int level,
                         TimingCache* cache = nullptr, double seconds = 5) {
  TimingCache empty;
  return Tuner(meter, {.level = level, .seconds = seconds}, cache ? *cache : empty)
      .choose(problems);
}

TEST(Tuner, TakesTheFastestThatIsRight) {
  FakeMeter meter;
  const Problem p = fake_problem("k", {{.name = "slow", .seconds = 9e-3},
                                       {.name = "wrong", .seconds = 1e-3, .wrong = "it is off"},
                                       {.name = "broken", .failure = "no such instruction"},
                                       {.name = "fast", .seconds = 5e-3, .cost = 5},
                                       {.name = "other", .refusal = "groups are too many"}});
  const Choice choice = tune(meter, {p}, 5)[0];
  EXPECT_EQ(chosen(p, choice), "fast");
  EXPECT_EQ(choice.reason, "the fastest of 2 that were measured");
  EXPECT_THAT(choice.refusals,
              ElementsAre("", "it is off", "no such instruction", "", "groups are too many"));
  EXPECT_EQ(meter.runs("wrong"), 0);
  EXPECT_EQ(meter.runs("other"), 0);
}

TEST(Tuner, BetweenEqualsTakesTheFirst) {
  FakeMeter meter;
  const Problem near =
      fake_problem("near", {{.name = "a", .seconds = 1.02e-3}, {.name = "b", .seconds = 1e-3}});
  const Problem apart =
      fake_problem("apart", {{.name = "a", .seconds = 1.05e-3}, {.name = "b", .seconds = 1e-3}});
  const Choice choice = tune(meter, {near}, 4)[0];
  EXPECT_EQ(chosen(near, choice), "a");
  EXPECT_EQ(choice.reason, "preferred, and within 3 % of the fastest of 2 that were measured");
  EXPECT_EQ(chosen(apart, tune(meter, {apart}, 4)[0]), "b");
}

TEST(Tuner, LevelZeroNeverOpensAProblem) {
  FakeMeter meter;
  int opened = 0;
  const Problem p = fake_problem("k",
                                 {{.name = "a", .cost = 2},
                                  {.name = "b", .cost = 1},
                                  {.name = "c", .cost = 0.1, .refusal = "no"}},
                                 &opened);
  const Choice choice = tune(meter, {p}, 0)[0];
  EXPECT_EQ(chosen(p, choice), "b");
  EXPECT_EQ(choice.reason, "the least estimated cost of 2; not measured");
  EXPECT_EQ(opened, 0);
}

TEST(Tuner, LevelsMeasureTheHeaviestFirst) {
  const auto problem = [](const char* key, double cost, int* opened) {
    return fake_problem(key, {{.name = "a", .cost = cost}, {.name = "b", .cost = 2 * cost}},
                        opened);
  };
  for (const auto& [level, expected] :
       std::vector<std::pair<int, std::vector<int>>>{{0, {0, 0, 0, 0}},
                                                     {1, {0, 1, 0, 0}},
                                                     {2, {1, 1, 0, 0}},
                                                     {3, {1, 1, 1, 0}},
                                                     {4, {1, 1, 1, 1}},
                                                     {5, {1, 1, 1, 1}}}) {
    FakeMeter meter;
    std::vector<int> opened(4);
    tune(meter,
         {problem("middle", 3e-3, &opened[0]), problem("heavy", 6e-3, &opened[1]),
          problem("light", 9e-4, &opened[2]), problem("tiny", 1e-5, &opened[3])},
         level);
    EXPECT_EQ(opened, expected) << "level " << level;
  }
}

TEST(Tuner, CountsANetworksProblemOnce) {
  FakeMeter meter;
  int opened = 0;
  const std::vector<FakeTactic> tactics = {{.name = "a", .seconds = 2e-3}, {.name = "b"}};
  const std::vector<Problem> problems(20, fake_problem("k", tactics, &opened));
  for (const Choice& choice : tune(meter, problems, 3)) EXPECT_EQ(choice.tactic, 1U);
  EXPECT_EQ(opened, 1);
}

TEST(Tuner, OneTacticIsNotMeasured) {
  FakeMeter meter;
  int opened = 0;
  const Problem p = fake_problem("k", {{.name = "a", .refusal = "no"}, {.name = "b"}}, &opened);
  const Choice choice = tune(meter, {p}, 5)[0];
  EXPECT_EQ(chosen(p, choice), "b");
  EXPECT_EQ(choice.reason, "the only one that takes the problem");
  EXPECT_EQ(opened, 0);
}

TEST(Tuner, AllRefusedGivesNothing) {
  FakeMeter meter;
  const Problem p =
      fake_problem("k", {{.name = "a", .refusal = "no"}, {.name = "b", .refusal = "nor I"}});
  const Choice choice = tune(meter, {p}, 5)[0];
  EXPECT_EQ(choice.tactic, tuner::kNoTactic);
  EXPECT_EQ(choice.reason, "every tactic refused");
}

TEST(Tuner, AWrongFavouriteIsNotTakenWhenTimeIsUp) {
  // The check costs nothing here; the warm-up of the first tactic spends all the time there is.
  FakeMeter meter;
  const Problem p = fake_problem("k", {{.name = "wrong", .cost = 1e-3, .wrong = "it is off"},
                                       {.name = "long", .seconds = 60, .cost = 2e-3},
                                       {.name = "next", .seconds = 1, .cost = 3e-3}});
  const Choice choice = tune(meter, {p}, 4)[0];
  EXPECT_EQ(chosen(p, choice), "long");
  EXPECT_THAT(choice.reason, HasSubstr("not measured"));
  EXPECT_EQ(meter.runs("next"), 0);
}

TEST(Tuner, StopsWhenTimeIsUp) {
  const std::vector<FakeTactic> tactics = {{.name = "a", .seconds = 1},
                                           {.name = "b", .seconds = 1}};
  const std::vector<Problem> problems = {fake_problem("1", tactics), fake_problem("2", tactics),
                                         fake_problem("3", tactics)};
  FakeMeter meter;
  const auto choices = tune(meter, problems, 3, nullptr, 5);
  EXPECT_LE(meter.now(), 100 + 6.5);
  EXPECT_THAT(choices[0].reason, HasSubstr("measured"));
  EXPECT_EQ(choices[2].reason, "the least estimated cost of 2; not measured");
  // Level 5 has all the time in the world.
  EXPECT_EQ(tune(meter, problems, 5, nullptr, 5)[2].reason, "the fastest of 2 that were measured");
}

TEST(Tuner, HopelessTacticsGetNoFurtherTurn) {
  FakeMeter meter;
  const Problem p = fake_problem("k", {{.name = "a", .seconds = 3e-3},
                                       {.name = "b", .seconds = 3.3e-3},
                                       {.name = "slow", .seconds = 9e-3}});
  tune(meter, {p}, 4);
  EXPECT_EQ(meter.runs("slow"), 3);  // to warm up, and two that count
  EXPECT_EQ(meter.runs("a"), 1 + tuner::effort_of(4).rounds);
}

TEST(Tuner, TurnsAreInterleavedAndShortRunsRepeated) {
  FakeMeter meter;
  const Problem p =
      fake_problem("k", {{.name = "a", .seconds = 1e-3}, {.name = "b", .seconds = 1.1e-3}});
  tune(meter, {p}, 5);
  std::vector<std::string> expected = {"a", "b"};  // to warm up
  for (int round = 0; round < tuner::effort_of(5).rounds; ++round)
    for (const char* name : {"a", "a", "b"}) expected.emplace_back(name);
  EXPECT_EQ(meter.turns(), expected);
}

TEST(Tuner, ADisturbanceDoesNotDecide) {
  FakeMeter meter;
  const Problem p = fake_problem(
      "k", {{.name = "a", .seconds = 3e-3}, {.name = "b", .seconds = 2.5e-3, .disturbed = 2}});
  EXPECT_EQ(chosen(p, tune(meter, {p}, 4)[0]), "b");
}

TEST(Tuner, CancellingEndsTheBuild) {
  FakeMeter meter;
  TimingCache cache;
  int left = 3;
  Tuner t(meter,
          {.level = 5,
           .check_cancelled =
               [&] {
                 if (--left == 0) throw Error(ErrorCode::kCancelled, "enough");
               }},
          cache);
  const std::vector<Problem> problems = {fake_problem("k", {{.name = "a"}, {.name = "b"}})};
  EXPECT_THROW(t.choose(problems), Error);
}

TEST(Tuner, AWarmCacheGivesTheSameChoicesWithoutMeasuring) {
  const std::vector<Problem> problems = {
      fake_problem("heavy", {{.name = "a", .seconds = 3e-3, .cost = 1},
                             {.name = "b", .cost = 2},
                             {.name = "c", .wrong = "it is off"}}),
      fake_problem("light", {{.name = "a", .cost = 2e-6}, {.name = "b", .cost = 1e-6}})};
  for (int level = 0; level <= 5; ++level) {
    TimingCache cache;
    FakeMeter cold, warm;
    const auto first = tune(cold, problems, level, &cache);
    const auto second = tune(warm, problems, level, &cache);
    EXPECT_TRUE(warm.turns().empty());
    for (size_t i = 0; i < problems.size(); ++i) {
      EXPECT_EQ(first[i].tactic, second[i].tactic);
      EXPECT_EQ(first[i].reason, second[i].reason);
      EXPECT_EQ(first[i].refusals, second[i].refusals);
    }
  }
}

TEST(Tuner, MoreEffortReplacesWhatLessDecided) {
  const std::vector<Problem> problems = {fake_problem(
      "k", {{.name = "a", .seconds = 3e-3, .cost = 1e-3}, {.name = "b", .cost = 2e-3}})};
  TimingCache cache;
  FakeMeter meter;
  EXPECT_EQ(tune(meter, problems, 0, &cache)[0].tactic, 0U);
  EXPECT_EQ(tune(meter, problems, 3, &cache)[0].tactic, 1U);
  EXPECT_EQ(tune(meter, problems, 0, &cache)[0].tactic, 1U);
  const size_t turns = meter.turns().size();
  tune(meter, problems, 4, &cache);
  EXPECT_EQ(meter.turns().size(), turns);
  tune(meter, problems, 5, &cache);
  EXPECT_GT(meter.turns().size(), turns);
  EXPECT_EQ(cache.find("k")->level, 5);
}

TEST(Tuner, ACacheCannotNameWhatIsNotOffered) {
  const std::vector<Problem> problems = {fake_problem(
      "k", {{.name = "a"}, {.name = "b", .seconds = 3e-3}, {.name = "c", .refusal = "no"}})};
  for (const char* name : {"c", "none", ""}) {
    TimingCache cache;
    FakeMeter meter;
    cache.put("k", {.tactic = name, .measured = true, .level = 5});
    EXPECT_EQ(chosen(problems[0], tune(meter, problems, 3, &cache)[0]), "a") << name;
  }
}

TEST(Profile, NobodyToMeasure) {
  FakeMeter meter;
  const std::vector<tuner::Runnable*> none(2);
  const auto medians = tuner::profile(meter, none, {});
  ASSERT_TRUE(medians.has_value());
  EXPECT_THAT(*medians, ElementsAre(std::nullopt, std::nullopt));
}

}  // namespace
}  // namespace planish::test
