// SPDX-License-Identifier: Apache-2.0
// What becomes of the lowerings' answers, seen with two made up for an op that the backend has no
// kernel for.
#include "backend/cpu/compile/lowering.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "compiler/builder.h"
#include "ir/text.h"
#include "runtime/step_kernel.h"
#include "unit/plan/plan_support.h"

namespace planish::test {
namespace {

struct Script {
  bool takes = false;          // the dry question
  bool takes_for_real = true;  // the one behind it
  int asked = 0, packed = 0;
};
Script first, second;

// Gives 7 whatever is asked.
class SevenStep final : public StepKernel {
 public:
  explicit SevenStep(const StepInfo&) {}
  StepBinding bind(const StepShapes&) const override { return {}; }
  void run(StepContext& c) const override {
    std::fill_n(c.output(0).as<float>(), c.output(0).count(), 7.0F);
  }
};
const RegisterStepKernel kFirstStep("test.first", make_step_kernel<SevenStep>);
const RegisterStepKernel kSecondStep("test.second", make_step_kernel<SevenStep>);

std::optional<ref::StepChoice> lower(Script& script, const char* kernel,
                                     const cpu::LowerTarget& target) {
  ++script.asked;
  if (!script.takes || (target.packs && !script.takes_for_real)) return std::nullopt;
  if (target.packs) ++script.packed;
  return ref::StepChoice{.kernel = kernel, .attributes = {}, .inputs = {}, .tactic = "seven"};
}
std::optional<ref::StepChoice> lower_first(const ir::Node&, const cpu::LowerTarget& target) {
  return lower(first, "test.first", target);
}
std::optional<ref::StepChoice> lower_second(const ir::Node&, const cpu::LowerTarget& target) {
  return lower(second, "test.second", target);
}
const cpu::RegisterLowering kFirst("Det", lower_first);
const cpu::RegisterLowering kSecond("Det", lower_second,
                                    {.name = "test.second", .cost = 2, .rank = 1});

class Lowerings : public ::testing::Test {
 protected:
  void SetUp() override { first = second = {.takes = true}; }
  void TearDown() override { first = second = {}; }

  static plan::Plan build(int level, const std::string& disabled = "",
                          const std::string& cache = "") {
    BuildRequest request;
    request.options.level = level;
    request.options.disable_tactic = disabled;
    request.options.timing_cache = cache;
    return build_graph(
        ir::parse("graph { input %x : float32[5, 3, 3] %y = Det(%x) output %y as \"y\" }"),
        request);
  }
  static std::string kernel(const plan::Plan& plan) { return plan.main().steps.at(0).kernel; }
};

TEST_F(Lowerings, OfThoseThatAreAllWrongNoneIsTaken) {
  const plan::Plan plan = build(5);
  EXPECT_EQ(kernel(plan), "ref");
  std::vector<std::string> reasons;
  for (const plan::Record& record : plan.report)
    if (record.kind == "tactic") reasons.push_back(record.fields.at("reason"));
  EXPECT_EQ(reasons, std::vector<std::string>{"every tactic refused"});
}

TEST_F(Lowerings, ATacticThatTakesBackItsAnswerIsAnInternalError) {
  first.takes_for_real = false;
  EXPECT_EQ(error_of([] { build(0); }).code(), ErrorCode::kInternal);
}

TEST_F(Lowerings, Level0AsksNobodyBehindTheFirstThatTakesTheNode) {
  EXPECT_EQ(kernel(build(0)), "test.first");
  EXPECT_EQ(second.asked, 0);
  first.takes = false;
  EXPECT_EQ(kernel(build(0)), "test.second");
}

TEST_F(Lowerings, OnlyWhatIsTakenIsPacked) {
  EXPECT_EQ(kernel(build(0, "test.first")), "test.second");
  EXPECT_EQ(first.packed, 0);
  EXPECT_EQ(second.packed, 1);
  // The cost model compares both.
  const TempFolder folder;
  second.packed = 0;
  EXPECT_EQ(kernel(build(0, "", folder.at("cache"))), "test.first");
  EXPECT_EQ(first.packed, 1);
  EXPECT_EQ(second.packed, 0);
}

}  // namespace
}  // namespace planish::test
