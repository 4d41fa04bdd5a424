// SPDX-License-Identifier: Apache-2.0
#include "plan/diff.h"

#include <gmock/gmock.h>

#include "unit/plan/plan_support.h"

namespace planish {
namespace {

using plan::Plan;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(PlanDiff, EqualPlansDoNotDiffer) {
  EXPECT_THAT(plan::diff(test::full_plan(), test::full_plan()), IsEmpty());
}

TEST(PlanDiff, NamesWhatChanged) {
  const Plan a = test::small_plan();
  Plan b = a;
  b.target.isa = "avx512";
  b.metadata["k"] = "v";
  b.programs[0].steps[0].kernel = "cpu.add";
  b.programs[0].steps[0].attributes.set("axis", int64_t{2});
  b.programs[0].steps[1].node = "relu_2";
  b.constants[0].data = b.constants[0].data.clone();
  b.constants[0].data.as<float>()[0] = 9;
  EXPECT_THAT(plan::diff(a, b),
              ElementsAre("target isa: plain -> avx512", "metadata \"k\": none -> \"v\"",
                          "~ step Add \"add\": kernel: ref -> cpu.add",
                          "~ step Add \"add\": attribute axis: none -> 2",
                          "~ step Add \"add\": input 1: another constant",
                          "- step Relu \"relu\" (ref)", "+ step Relu \"relu_2\" (ref)"));
}

TEST(PlanDiff, SeesTheWiring) {
  const Plan a = test::small_plan();
  Plan b = a;
  b.programs[0].outputs[0] = 2;
  EXPECT_THAT(plan::diff(a, b), ElementsAre("program \"small\": output 0: \"y\" float32[n, 300] "
                                            "planned -> \"s\" float32[n, 300] planned"));
  Plan doubled = a;
  doubled.constants.push_back(a.constants[0]);
  doubled.constants.push_back(a.constants[0]);
  b = doubled;
  b.programs[0].values[1].index = 2;
  EXPECT_THAT(plan::diff(doubled, b), ElementsAre(testing::HasSubstr("differ in the wiring")));
}

TEST(PlanDiff, EveryPartIsCompared) {
  const Plan a = test::full_plan();
  void (*const changes[])(Plan&) = {
      [](Plan& p) { p.made_by = "x"; },
      [](Plan& p) { p.sources = "x"; },
      [](Plan& p) { p.rebuild = "x"; },
      [](Plan& p) { p.target.properties["a"] = "2"; },
      [](Plan& p) { p.symbols[0].range.max = 65; },
      [](Plan& p) { p.inputs[0].name = "other"; },
      [](Plan& p) { p.outputs[0].type.dtype = DType::kF16; },
      [](Plan& p) { p.profiles[0].inputs[0].max[0] = 63; },
      [](Plan& p) { p.programs.pop_back(); },
      [](Plan& p) { p.programs[0].steps[0].tactic = "x"; },
      [](Plan& p) { p.programs[0].values[8].type.dtype = DType::kF16; },
      [](Plan& p) { p.constants.pop_back(); },
      [](Plan& p) { p.report[0].fields["nodes"] = "4"; },
      [](Plan& p) { p.sections[0].name = "x"; },
      [](Plan& p) { p.sections[1].data = p.sections[0].data; },
      [](Plan& p) {
        std::swap(p.programs[1].steps[0].inputs[0], p.programs[1].steps[0].inputs[1]);
      },
      [](Plan& p) { p.programs[1].outputs[0] = 0; },
      [](Plan& p) { std::swap(p.programs[1].inputs[0], p.programs[1].inputs[1]); },
      [](Plan& p) { std::swap(p.programs[1].values[0].index, p.programs[1].values[1].index); },
      [](Plan& p) { p.programs[0].outputs.pop_back(); },
      [](Plan& p) { p.programs[0].values[9].index = 0; },
      [](Plan& p) { p.programs[0].values[9].offset = Dim(8); },
      [](Plan& p) { p.programs[0].values[8].memory = plan::Memory::kDevice; },
      [](Plan& p) { p.programs[0].values[8].name = "x"; },
      [](Plan& p) { p.programs[0].values[3].name = "unused"; },
      [](Plan& p) { p.programs[0].steps[2].subprograms[0].name = "x"; },
      [](Plan& p) { p.programs[0].steps[2].subprograms[0].program = 0; },
      [](Plan& p) { p.programs[0].steps[2].subprograms[0].captured[0] = 8; },
      [](Plan& p) { p.programs[0].steps[2].subprograms[0].captured.clear(); },
      [](Plan& p) {
        p.constants[4].data = p.constants[4].data.clone();
        p.constants[4].data.data()[7] ^= std::byte{1};
      },
  };
  for (size_t i = 0; i < std::size(changes); ++i) {
    Plan b = a;
    changes[i](b);
    EXPECT_FALSE(plan::diff(a, b).empty()) << i;
  }
}

}  // namespace
}  // namespace planish
