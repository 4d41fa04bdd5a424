// SPDX-License-Identifier: Apache-2.0
#include "memory/planner.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "planish/error.h"

namespace planish::memory {
namespace {

bool lifetimes_meet(const Buffer& a, const Buffer& b) {
  return a.first_step <= b.last_step && b.first_step <= a.last_step;
}

// Independent check of a plan: returns a sentence about the first rule that is broken, or "".
std::string complaint(const std::vector<Buffer>& buffers, const std::vector<InPlace>& pairs,
                      const ArenaPlan& plan) {
  std::set<std::pair<int, int>> allowed;
  for (const InPlace& pair : pairs) {
    allowed.insert({pair.out, pair.in});
    allowed.insert({pair.in, pair.out});
  }
  for (size_t i = 0; i < buffers.size(); ++i) {
    const Buffer& a = buffers[i];
    if (a.bytes == 0) continue;
    if (plan.offsets[i] + a.bytes > plan.arena_bytes) return "out of the arena";
    if (a.alias_group < 0 && plan.offsets[i] % a.alignment != 0) return "misaligned";
    for (size_t j = 0; j < i; ++j) {
      const Buffer& b = buffers[j];
      if (b.bytes == 0 || !lifetimes_meet(a, b)) continue;
      if (plan.offsets[i] + a.bytes <= plan.offsets[j]) continue;
      if (plan.offsets[j] + b.bytes <= plan.offsets[i]) continue;
      if (a.alias_group >= 0 && a.alias_group == b.alias_group) continue;
      const bool meet_at_one_step = a.first_step == b.last_step || b.first_step == a.last_step;
      const bool same_place = plan.offsets[i] == plan.offsets[j];
      if (meet_at_one_step && same_place && allowed.contains({(int)i, (int)j})) continue;
      return "live buffers " + std::to_string(j) + " and " + std::to_string(i) + " overlap";
    }
  }
  for (size_t i = 0; i < buffers.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (buffers[i].alias_group < 0 || buffers[i].alias_group != buffers[j].alias_group) continue;
      if (plan.offsets[i] - buffers[i].alias_offset != plan.offsets[j] - buffers[j].alias_offset) {
        return "alias group torn apart";
      }
    }
  }
  return plan.arena_bytes < plan.lower_bound ? "below the lower bound" : "";
}

std::vector<Buffer> any_buffers(bool groups) {
  const int count = *rc::gen::inRange(0, 60);
  std::vector<Buffer> buffers;
  for (int i = 0; i < count; ++i) {
    Buffer b;
    b.bytes = *rc::gen::oneOf(rc::gen::inRange<uint64_t>(0, 300),
                              rc::gen::element<uint64_t>(0, 64, 4096, 4096, 100000));
    b.first_step = *rc::gen::inRange(0, 40);
    b.last_step = b.first_step + *rc::gen::inRange(0, 10);
    b.alignment = *rc::gen::element(1u, 64u, 64u, 256u, 4096u);
    if (groups && *rc::gen::inRange(0, 4) == 0) {
      b.alias_group = *rc::gen::inRange(0, 5);
      b.alias_offset = *rc::gen::inRange<uint64_t>(0, 500);
    }
    buffers.push_back(b);
  }
  return buffers;
}

TEST(ArenaPlannerProperty, LiveBuffersNeverOverlap) {
  EXPECT_TRUE(rc::check([] {
    const auto buffers = any_buffers(/*groups=*/true);
    const PlannerOptions options{.search_work = *rc::gen::inRange(0, 20'000)};
    const ArenaPlan plan = plan_arena(buffers, {}, options);
    RC_ASSERT(complaint(buffers, {}, plan) == "");
    RC_ASSERT(plan_arena(buffers, {}, options).offsets == plan.offsets);
  }));
}

TEST(ArenaPlannerProperty, InPlaceOnlyWhereAllowed) {
  EXPECT_TRUE(rc::check([] {
    const auto buffers = any_buffers(/*groups=*/false);
    std::vector<InPlace> pairs;
    for (size_t out = 0; out < buffers.size(); ++out) {
      for (size_t in = 0; in < buffers.size(); ++in) {
        if (in != out && buffers[in].last_step == buffers[out].first_step &&
            *rc::gen::arbitrary<bool>()) {
          pairs.push_back({static_cast<int32_t>(out), static_cast<int32_t>(in)});
        }
      }
    }
    const ArenaPlan plan = plan_arena(buffers, pairs);
    RC_ASSERT(complaint(buffers, pairs, plan) == "");
    // Sharing needs one size: a pair of other sizes that meet must lie apart.
    const ArenaPlan apart = plan_arena(buffers);
    RC_ASSERT(plan.lower_bound <= apart.lower_bound);
  }));
}

// A network written as values with producers and last uses, on its way to lifetimes.
class Chain {
 public:
  int value(uint64_t bytes, std::initializer_list<int> uses, bool in_place = false) {
    const auto out = static_cast<int>(buffers.size());
    buffers.push_back({.bytes = bytes, .first_step = step_, .last_step = step_});
    for (int use : uses) {
      buffers[use].last_step = step_;
      if (in_place) pairs.push_back({out, use});
    }
    ++step_;
    return out;
  }

  std::vector<Buffer> buffers;
  std::vector<InPlace> pairs;

 private:
  int step_ = 0;
};

Chain resnet_like(uint64_t side) {
  Chain c;
  const auto image = [&](uint64_t s, uint64_t channels) { return s * s * channels * 4; };
  int x = c.value(image(side, 3), {});
  x = c.value(image(side / 2, 64), {x});
  x = c.value(image(side / 4, 64), {x});
  uint64_t s = side / 4;
  uint64_t width = 64;
  for (int blocks : {3, 4, 6, 3}) {
    for (int b = 0; b < blocks; ++b) {
      const bool down = b == 0 && width > 64;
      const uint64_t out_side = down ? s / 2 : s;
      const int a = c.value(image(s, width), {x});
      const int d = c.value(image(out_side, width), {a});
      const int e = c.value(image(out_side, width * 4), {d});
      const int skip = b == 0 ? c.value(image(out_side, width * 4), {x}) : x;
      x = c.value(image(out_side, width * 4), {e, skip}, /*in_place=*/true);
      s = out_side;
    }
    width *= 2;
  }
  c.value(4000, {x});
  return c;
}

Chain densenet_like(uint64_t side, int growth) {
  Chain c;
  uint64_t s = side / 4;
  uint64_t channels = 64;
  int x = c.value(s * s * channels * 4, {c.value(side * side * 3 * 4, {})});
  for (int layers : {6, 12, 24, 16}) {
    for (int i = 0; i < layers; ++i) {
      const int normalized = c.value(s * s * channels * 4, {x});
      const int bottleneck = c.value(s * s * 128 * 4, {normalized});
      const int grown = c.value(s * s * growth * 4, {bottleneck});
      channels += growth;
      x = c.value(s * s * channels * 4, {x, grown});
    }
    channels /= 2;
    x = c.value(s * s * channels * 4, {x});
    s /= 2;
    x = c.value(s * s * channels * 4, {x});
  }
  return c;
}

Chain transformer_like(uint64_t tokens, uint64_t width, int layers, uint64_t heads) {
  Chain c;
  const uint64_t row = tokens * width * 4;
  int x = c.value(row, {});
  for (int layer = 0; layer < layers; ++layer) {
    const int normed = c.value(row, {x});
    const int q = c.value(row, {normed});
    const int k = c.value(row, {normed});
    const int v = c.value(row, {normed});
    const int scores = c.value(heads * tokens * tokens * 4, {q, k});
    const int soft = c.value(heads * tokens * tokens * 4, {scores}, true);
    const int mixed = c.value(row, {soft, v});
    const int projected = c.value(row, {mixed});
    x = c.value(row, {projected, x}, true);
    const int second = c.value(row, {x});
    const int hidden = c.value(row * 4, {second});
    const int gelu = c.value(row * 4, {hidden}, true);
    const int down = c.value(row, {gelu});
    x = c.value(row, {down, x}, true);
  }
  return c;
}

// Skips from every level of the way down to the way up.
Chain unet_like(uint64_t side) {
  Chain c;
  std::vector<int> skips;
  uint64_t s = side;
  uint64_t channels = 32;
  int x = c.value(s * s * 3 * 4, {});
  for (int level = 0; level < 5; ++level) {
    x = c.value(s * s * channels * 4, {x});
    x = c.value(s * s * channels * 4, {x});
    skips.push_back(x);
    s /= 2;
    x = c.value(s * s * channels * 4, {x});
    channels *= 2;
  }
  for (int level = 4; level >= 0; --level) {
    s *= 2;
    channels /= 2;
    const int up = c.value(s * s * channels * 4, {x});
    const int joined = c.value(s * s * channels * 2 * 4, {up, skips[level]});
    x = c.value(s * s * channels * 4, {joined});
    x = c.value(s * s * channels * 4, {x});
  }
  return c;
}

TEST(ArenaPlanner, WithinFivePercentOfTheBoundOnRealisticNetworks) {
  const std::vector<std::pair<const char*, Chain>> networks = {
      {"resnet", resnet_like(224)},
      {"resnet odd", resnet_like(333)},
      {"densenet", densenet_like(224, 32)},
      {"densenet odd", densenet_like(417, 24)},
      {"transformer", transformer_like(197, 768, 12, 12)},
      {"transformer long", transformer_like(1024, 512, 6, 8)},
      {"unet", unet_like(256)}};
  for (const auto& [name, chain] : networks) {
    const ArenaPlan plan = plan_arena(chain.buffers, chain.pairs);
    EXPECT_EQ(complaint(chain.buffers, chain.pairs, plan), "") << name;
    EXPECT_LE(static_cast<double>(plan.arena_bytes), 1.05 * plan.lower_bound) << name;
    RecordProperty(name, static_cast<int>(1000.0 * plan.arena_bytes / plan.lower_bound));
  }
}

TEST(ArenaPlanner, InPlaceLowersTheBound) {
  const std::vector<Buffer> buffers = {{.bytes = 1000, .first_step = 0, .last_step = 1},
                                       {.bytes = 1000, .first_step = 1, .last_step = 2},
                                       {.bytes = 64, .first_step = 2, .last_step = 3}};
  const std::vector<InPlace> pairs = {{1, 0}, {2, 1}};
  EXPECT_EQ(plan_arena(buffers).arena_bytes, 2048u);
  const ArenaPlan plan = plan_arena(buffers, pairs);
  EXPECT_EQ(plan.shared_in_place, 1);  // the second pair's sizes differ
  EXPECT_EQ(plan.offsets[0], plan.offsets[1]);
  EXPECT_EQ(plan.arena_bytes, 1024u + 64u);
  EXPECT_EQ(plan.lower_bound, plan.arena_bytes);
}

TEST(ArenaPlanner, InPlaceNotWhenTheInputLivesOn) {
  const std::vector<Buffer> buffers = {{.bytes = 1000, .first_step = 0, .last_step = 2},
                                       {.bytes = 1000, .first_step = 1, .last_step = 2}};
  const ArenaPlan plan = plan_arena(buffers, std::vector<InPlace>{{1, 0}});
  EXPECT_EQ(plan.shared_in_place, 0);
  EXPECT_NE(plan.offsets[0], plan.offsets[1]);
}

TEST(ArenaPlanner, ConcatPartsLieInTheirWhole) {
  const std::vector<Buffer> buffers = {
      {.bytes = 128, .first_step = 0, .last_step = 2, .alias_group = 7, .alias_offset = 0},
      {.bytes = 100, .first_step = 1, .last_step = 2, .alias_group = 7, .alias_offset = 128},
      {.bytes = 228, .first_step = 2, .last_step = 5, .alias_group = 7, .alias_offset = 0},
      {.bytes = 64, .first_step = 0, .last_step = 0}};
  const ArenaPlan plan = plan_arena(buffers);
  EXPECT_EQ(plan.offsets[1], plan.offsets[0] + 128);
  EXPECT_EQ(plan.offsets[2], plan.offsets[0]);
  EXPECT_EQ(plan.arena_bytes, 256u + 64u);
}

TEST(ArenaPlanner, RefusesNonsense) {
  const auto code = [](Buffer buffer, std::vector<InPlace> pairs = {}) {
    try {
      plan_arena(std::vector<Buffer>{buffer, buffer}, pairs);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kOk;
  };
  EXPECT_EQ(code({.bytes = 1, .first_step = 2, .last_step = 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.bytes = 1, .alignment = 48}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.bytes = 1}, {{0, 2}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.bytes = 1}, {{-1, 0}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.bytes = ~uint64_t{0}}), ErrorCode::kBudgetExceeded);
  EXPECT_EQ(code({.bytes = 16, .alias_group = 0, .alias_offset = ~uint64_t{0}}),
            ErrorCode::kBudgetExceeded);
  EXPECT_EQ(code({.bytes = uint64_t{1} << 61}), ErrorCode::kBudgetExceeded);
}

TEST(ArenaPlanner, NothingToPlace) {
  EXPECT_EQ(plan_arena({}).arena_bytes, 0u);
  const ArenaPlan plan = plan_arena(std::vector<Buffer>(3));
  EXPECT_EQ(plan.arena_bytes, 0u);
  EXPECT_EQ(plan.offsets, std::vector<uint64_t>(3, 0));
}

// The limit is generous: sanitizers and busy machines run this too.
TEST(ArenaPlanner, FiveHundredBuffersAreCheap) {
  std::vector<Buffer> buffers;
  uint32_t random = 1;
  for (int i = 0; i < 500; ++i) {
    random = random * 1664525u + 1013904223u;
    buffers.push_back({.bytes = 64u + (random >> 12),
                       .first_step = i,
                       .last_step = i + 1 + static_cast<int>((random >> 5) % 9)});
  }
  ArenaPlanner planner;
  ArenaPlan plan;
  planner.plan(buffers, {}, {}, &plan);
  auto best = std::chrono::nanoseconds::max();
  for (int i = 0; i < 20; ++i) {
    const auto start = std::chrono::steady_clock::now();
    planner.plan(buffers, {}, {}, &plan);
    best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
  }
  EXPECT_EQ(complaint(buffers, {}, plan), "");
  RecordProperty("microseconds", static_cast<int>(best.count() / 1000));
#ifndef PLANISH_SANITIZED
  EXPECT_LT(best, std::chrono::milliseconds(20));
#endif
}

}  // namespace
}  // namespace planish::memory
