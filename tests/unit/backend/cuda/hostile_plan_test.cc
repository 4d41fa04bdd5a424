// SPDX-License-Identifier: Apache-2.0
// Steps of a plan that no compiler made: refused with a typed error before anything is launched.
#include <gtest/gtest.h>

#include <functional>

#include "planish/error.h"
#include "unit/backend/cuda/engine_support.h"

namespace planish {
namespace {

using test::build_for_gpu;
using test::noise;

struct Damage {
  const char* name;
  std::function<void(Attributes&)> make;
};

// Replaces number `at` of a list of integers.
std::function<void(Attributes&)> number(const char* list, size_t at, int64_t value) {
  return [=](Attributes& a) {
    auto numbers = a.integers(list);
    numbers.at(at) = value;
    a.set(list, numbers);
  };
}

std::function<void(Attributes&)> integers(const char* list, const std::vector<int64_t>& numbers) {
  return [=](Attributes& a) { a.set(list, numbers); };
}

// Replaces `from` of the launch's fields.
std::function<void(Attributes&)> field(const std::string& from, const std::string& to) {
  return [=](Attributes& a) {
    auto fields = a.texts("fields");
    const size_t at = fields[0].find(from);
    ASSERT_NE(at, std::string::npos) << fields[0];
    fields[0].replace(at, from.size(), to);
    a.set("fields", fields);
  };
}

// Makes every expression of the step this one.
std::function<void(Attributes&)> sizes(const std::string& text) {
  return
      [=](Attributes& a) { a.set("dims", std::vector<std::string>(a.texts("dims").size(), text)); };
}

std::function<void(Attributes&)> key(const std::string& text) {
  return [=](Attributes& a) { a.set("kernels", std::vector<std::string>{text}); };
}

TEST(CudaHostilePlan, StepsAreCheckedBeforeTheyAreLaunched) {
  const Damage kDamages[] = {
      {"grid: no such expression", number("geometry", 0, 99)},
      {"grid: a negative expression", number("geometry", 1, -1)},
      {"no threads", number("geometry", 3, 0)},
      {"too many threads", number("geometry", 3, 4096)},
      {"too much shared memory", number("geometry", 4, int64_t{1} << 40)},
      {"negative shared memory", number("geometry", 4, -1)},
      {"a geometry too short", integers("geometry", {0, 0, 0, 32})},
      {"a grid beyond the limit", sizes("4294967296")},
      {"a negative grid", sizes("-5")},
      {"an unknown symbol", sizes("nobody")},
      {"an input that is not there", field("in:0", "in:9")},
      {"an output that is not there", field("out:0", "out:7")},
      {"an offset without an expression", field("in:0", "in:0+77")},
      {"an address beyond the scratch memory", field("in:0", "scratch:0")},
      {"a parameter left out", field("in:0", "")},
      {"a parameter too many", field("in:0", "in:0 in:0")},
      {"no parameter", field("in:0", "somewhere:0")},
      {"a number too large", field("in:0", "i32:99999999999")},
      {"an unknown kernel", key("0123")},
      {"in_place is no list of pairs", integers("in_place", {0})},
      {"windows is no list of fours", integers("windows", {0, 0, 3})},
      {"a window of no axis", integers("windows", {-1, 0, 3, 0})},
      {"a window of no expression", integers("windows", {0, 50, 3, 0})},
      {"broadcasts is no list of pairs", integers("broadcasts", {0})},
      {"a broadcast of no expression", integers("broadcasts", {0, 50})},
      {"filled of no expression", integers("filled", {-3})},
      {"scratch of no expression", [](Attributes& a) { a.set("scratch", int64_t{50}); }}};
  const cuda::EmulatedGpu gpu;
  for (const Damage& damage : kDamages) {
    plan::Plan plan = build_for_gpu(R"(
graph "good" {
  input %x : float32[n, 6]
  %a = Transpose(%x) {perm=[1, 0]}
  %b = Exp(%a)
  output %b as "b"
})",
                                    gpu);
    bool is_made = false;
    for (plan::Step& step : plan.programs.front().steps)
      if (step.kernel == "cuda.launch" && !is_made) {
        damage.make(step.attributes);
        is_made = true;
      }
    ASSERT_TRUE(is_made);
    const int before = gpu.counts().launches;
    try {
      const auto engine = Engine::create(std::move(plan));
      engine->create_context()->run(std::vector<Datum>{noise(DType::kF32, {4, 6})});
      ADD_FAILURE() << damage.name << ": no error";
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kInternal) << damage.name << ": " << error.what();
    }
    EXPECT_EQ(gpu.counts().launches, before) << damage.name;
  }
}

}  // namespace
}  // namespace planish
