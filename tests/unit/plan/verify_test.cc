// SPDX-License-Identifier: Apache-2.0
#include "plan/verify.h"

#include <gtest/gtest.h>

#include "unit/plan/plan_support.h"

namespace planish {
namespace {

using plan::Plan;

// Each case spoils one rule of a valid plan.
struct Spoiler {
  const char* name;
  void (*spoil)(Plan&);
};

const Spoiler kSpoilers[] = {
    {"no program", [](Plan& p) { p.programs.clear(); }},
    {"input of another index", [](Plan& p) { p.programs[0].values[0].index = 1; }},
    {"input out of range", [](Plan& p) { p.programs[0].inputs[0] = 99; }},
    {"constant out of range", [](Plan& p) { p.programs[0].values[2].index = 6; }},
    {"constant of another type", [](Plan& p) { p.programs[0].values[2].type.dtype = DType::kI32; }},
    {"constant of other dims",
     [](Plan& p) {
       p.constants[0].dims = {20, 40};
     }},
    {"splat without elements", [](Plan& p) { p.constants[1].dims = {0}; }},
    {"planned string", [](Plan& p) { p.programs[0].values[8].type.dtype = DType::kString; }},
    {"planned without rank", [](Plan& p) { p.programs[0].values[8].type.shape.reset(); }},
    {"planned over an unbound symbol",
     [](Plan& p) {
       p.symbols.push_back({"zzz", {}});
       (*p.programs[0].values[8].type.shape)[0] = Dim::symbol("zzz");
     }},
    {"symbol not in the table", [](Plan& p) { p.symbols.pop_back(); }},
    {"symbols out of order", [](Plan& p) { std::swap(p.symbols[0], p.symbols[1]); }},
    {"empty range",
     [](Plan& p) {
       p.symbols[0].range = {5, 4};
     }},
    {"alias of a dynamic value", [](Plan& p) { p.programs[0].values[9].index = 10; }},
    {"alias of an alias", [](Plan& p) { p.programs[0].values[9].index = 9; }},
    {"alias of another value than its input", [](Plan& p) { p.programs[0].values[9].index = 0; }},
    {"a kernel that writes into an input",
     [](Plan& p) {
       p.programs[0].values[9].index = 0;
       p.programs[0].steps[1].kernel = "ref";
     }},
    {"use before it is made", [](Plan& p) { p.programs[0].steps[0].inputs[0] = 9; }},
    {"input beyond the values", [](Plan& p) { p.programs[0].steps[0].inputs[0] = 1000; }},
    {"negative input", [](Plan& p) { p.programs[0].steps[0].inputs[0] = -2; }},
    {"output beyond the values", [](Plan& p) { p.programs[0].steps[0].outputs[0] = 12; }},
    {"made twice", [](Plan& p) { p.programs[0].steps[1].outputs[0] = 8; }},
    {"written constant", [](Plan& p) { p.programs[0].steps[0].outputs[0] = 3; }},
    {"made by nobody", [](Plan& p) { p.programs[0].steps[2].outputs[1] = -1; }},
    {"absent program output", [](Plan& p) { p.programs[0].outputs[0] = -1; }},
    {"recursion", [](Plan& p) { p.programs[0].steps[2].subprograms[0].program = 0; }},
    {"program of two steps",
     [](Plan& p) { p.programs[0].steps[1].subprograms = p.programs[0].steps[2].subprograms; }},
    {"program of no step", [](Plan& p) { p.programs[0].steps[2].subprograms.clear(); }},
    {"too many captured",
     [](Plan& p) {
       p.programs[0].steps[2].subprograms[0].captured = {0, 0, 0};
     }},
    {"captured value of nobody",
     [](Plan& p) { p.programs[0].steps[2].subprograms[0].captured = {11}; }},
    {"port of another type", [](Plan& p) { p.inputs[0].type.dtype = DType::kF64; }},
    {"missing port", [](Plan& p) { p.inputs.pop_back(); }},
    {"two ports of one name", [](Plan& p) { p.outputs[1].name = p.outputs[0].name; }},
    {"profile without inputs", [](Plan& p) { p.profiles[0].inputs.pop_back(); }},
    {"profile of another rank", [](Plan& p) { p.profiles[0].inputs[0].max.push_back(1); }},
    {"profile with min over opt", [](Plan& p) { p.profiles[0].inputs[0].min[0] = 3; }},
    {"two sections of one name", [](Plan& p) { p.sections[1].name = p.sections[0].name; }},
    {"step without kernel", [](Plan& p) { p.programs[0].steps[0].kernel.clear(); }},
    {"negative dimension", [](Plan& p) { (*p.programs[0].values[10].type.shape)[0] = Dim(-1); }},
};

TEST(PlanVerify, EveryRuleIsHeld) {
  EXPECT_STREQ(test::error_of([] { plan::verify(test::full_plan()); }).what(), "no error");
  for (const Spoiler& spoiler : kSpoilers) {
    Plan plan = test::full_plan();
    spoiler.spoil(plan);
    const Error error = test::error_of([&] { plan::verify(plan); });
    EXPECT_EQ(error.code(), ErrorCode::kInvalidPlan) << spoiler.name;
  }
}

TEST(PlanVerify, NestingIsBounded) {
  Plan plan = test::small_plan();
  plan.programs[0].steps[0].subprograms = {{.name = "body", .program = 1}};
  for (int i = 1; i <= plan::kMaxNesting + 1; ++i) {
    plan::Program p{.name = "nested"};
    p.steps = {{.kernel = "ref", .op = "If", .node = "n"}};
    if (i <= plan::kMaxNesting) p.steps[0].subprograms = {{.name = "body", .program = i + 1}};
    plan.programs.push_back(p);
  }
  EXPECT_EQ(test::error_of([&] { plan::verify(plan); }).code(), ErrorCode::kInvalidPlan);
  plan.programs.pop_back();
  plan.programs.back().steps[0].subprograms.clear();
  EXPECT_STREQ(test::error_of([&] { plan::verify(plan); }).what(), "no error");
}

}  // namespace
}  // namespace planish
