// SPDX-License-Identifier: Apache-2.0
// Small models that ask for much: they build within their budgets, and what is too much when they
// run is an error that names the node and what lifts it, after which the context works.
#include <gtest/gtest.h>

#include "base/str.h"
#include "support/op_case.h"
#include "unit/compiler/compiler_support.h"
#include "unit/plan/plan_support.h"

namespace planish::test {
namespace {

// 2^40 elements out of a few constants.
const char* const kBombs[] = {
    R"(%y = ConstantOfShape(%huge))", R"(%y = Expand(%one, %huge))",
    R"(%y = Tile(%one2, %huge))",     R"(%y = Range(%zero, %many, %step))",
    R"(%y = Pad(%one, %pads))",       R"(%y = OneHot(%index, %many, %values))",
    R"(%y = EyeLike(%e) {k=0})",
};

std::string bomb(const std::string& node) {
  return R"(graph { input %x : float32[2] const %one = float32[1] {1.0} const %one2 = float32[1, 1] {1.0}
    const %zero = int64[] {0} const %step = int64[] {1} const %many = int64[] {1099511627776}
    const %huge = int64[2] {1048576, 1048576} const %pads = int64[2] {0, 1099511627776}
    const %big = int64[1] {1099511627776} const %index = int64[1] {0} const %values = float32[2] {0.0, 1.0}
    %e = ConstantOfShape(%huge) )" +
         node +
         R"( "culprit" %s = Shape(%y) %z = Add(%x, %x) output %z as "z" output %s as "s" output %y as "y" })";
}

uint64_t constant_bytes(const plan::Plan& plan) {
  uint64_t bytes = 0;
  for (const plan::Constant& c : plan.constants) bytes += c.data.bytes();
  return bytes;
}

// The build folds none of it. A size that constants tell has no budget when it runs, only memory.
TEST(Budgets, FewConstantsDoNotBecomeManyBytes) {
  for (const char* node : kBombs) {
    const plan::Plan plan = build_text(bomb(node));
    EXPECT_LT(constant_bytes(plan), 1u << 16) << node;
    const Error error = error_of([&] {
      Engine::create(plan, {.threads = 1})->create_context()->run({{Datum(f32({2}, {1, 2}))}});
    });
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory) << node << ": " << error.what();
  }
  // Resize has a limit of its own.
  const Error error = error_of([] { build_text(bomb("%y = Resize(%one, _, _, %big)")); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidShape) << error.what();
  EXPECT_EQ(error.node(), "culprit");
}

// Each node doubles what the one before made.
TEST(Budgets, ChainsThatDouble) {
  for (const char* op : {"Concat(%$, %$) {axis=0}", "Tile(%$, %two)", "Pad(%$, %grow)"}) {
    std::string text = R"(graph { input %x : float32[2] const %a0 = float32[1024] splat 1.0
      const %two = int64[1] {2} const %grow = int64[2] {0, 65536})";
    std::string last = "a0";
    for (int i = 1; i <= 40; ++i) {
      std::string node = op;
      for (size_t at; (at = node.find('$')) != std::string::npos;) node.replace(at, 1, last);
      last = concat("a", i);
      text += concat(" %", last, " = ", node);
    }
    text += concat(" %s = ReduceSum(%", last, ") %y = Add(%x, %s) output %y as \"y\" }");
    const Error error = error_of([&] {
      const auto context = context_of(text);
      context->run({{Datum(f32({2}, {1, 2}))}});
    });
    // The build folded none of it, and the run refuses before it touches any. Pad grows by a
    // constant and stays small.
    const bool is_small = std::string(op).starts_with("Pad");
    EXPECT_EQ(error.code(), is_small ? ErrorCode::kOk : ErrorCode::kOutOfMemory)
        << op << ": " << error.code_name() << ": " << error.what();
  }
}

TEST(Budgets, OfRunsNameTheNodeAndTheOption) {
  struct Case {
    const char* node;
    const char* option;
  };
  const Case cases[] = {
      {R"(%y = ConstantOfShape(%n) "culprit")", "max_value_bytes"},
      {R"(%y = Expand(%one, %n) "culprit")", "max_value_bytes"},
      {R"(%y = Tile(%one, %n) "culprit")", "max_value_bytes"},
      {R"(%t = Squeeze(%n) %y = Range(%zero, %t, %step) "culprit")", "max_value_bytes"},
      {R"(%t = Squeeze(%n) %y = Loop(%t, _, %one) body=graph { input %i : int64[] input %c : bool[]
          input %v : float32[1] %u = Neg(%v) output %c as "c" output %u as "u" } "culprit")",
       "max_loop_iterations"},
  };
  for (const Case& test : cases) {
    const auto context = context_of(concat(
        "graph { input %n : int64[1] const %one = float32[1] {1.0} const %zero = int64[] {0} "
        "const %step = int64[] {1} ",
        test.node, R"( output %y as "y" })"));
    context->set_limits({.loop_iterations = 1000});
    for (int round = 0; round < 2; ++round) {
      const Error error = error_of([&] { context->run({{Datum(i64({1}, {1.0e12}))}}); });
      EXPECT_EQ(error.code(), ErrorCode::kBudgetExceeded) << test.node << ": " << error.what();
      EXPECT_EQ(error.node(), "culprit") << test.node;
      EXPECT_NE(error.hint().find(test.option), std::string::npos) << test.node << error.hint();
      EXPECT_EQ(error_of([&] { context->run({{Datum(i64({1}, {3}))}}); }).code(), ErrorCode::kOk)
          << test.node;
    }
  }
}

// Just what a limit allows passes; one element or one round more does not.
TEST(Budgets, OfRunsAreExact) {
  struct Case {
    const char* node;
    RunLimits limits;
    int64_t most;
  };
  const Case cases[] = {
      {"%y = ConstantOfShape(%n)", {.value_bytes = 400}, 100},
      {"%y = Expand(%one, %n)", {.value_bytes = 400}, 100},
      {"%y = Tile(%one, %n)", {.value_bytes = 400}, 100},
      {"%t = Squeeze(%n) %y = Range(%zero, %t, %step)", {.value_bytes = 800}, 100},
      {R"(%t = Squeeze(%n) %y = Loop(%t, _, %one) body=graph { input %i : int64[] input %c : bool[]
          input %v : float32[1] %u = Neg(%v) output %c as "c" output %u as "u" })",
       {.loop_iterations = 100},
       100},
  };
  for (const Case& test : cases) {
    const auto context = context_of(concat(
        "graph { input %n : int64[1] const %one = float32[1] {1.0} const %zero = int64[] {0} "
        "const %step = int64[] {1} ",
        test.node, R"( output %y as "y" })"));
    const auto code = [&](int64_t n) {
      const auto count = static_cast<double>(n);
      return error_of([&] { context->run({{Datum(i64({1}, {count}))}}); }).code();
    };
    context->set_limits(test.limits);
    EXPECT_EQ(code(test.most), ErrorCode::kOk) << test.node;
    EXPECT_EQ(code(test.most + 1), ErrorCode::kBudgetExceeded) << test.node;
    context->set_limits({});
    EXPECT_EQ(code(test.most + 1), ErrorCode::kOk) << test.node << ": the limit is lifted";
  }
}

// What fixed shapes declare is never limited: these fills take 256 MiB, none of them stored.
TEST(Budgets, FillsStaySymbolic) {
  std::string text = "graph { input %x : float32[1] const %s = int64[1] {16777216}";
  std::string sum = "x";
  for (int i = 0; i < 4; ++i) {
    text += concat(" %f", i, " = ConstantOfShape(%s) {value=tensor float32[1] {", i, ".5}} %a", i,
                   " = Add(%", sum, ", %f", i, ")");
    sum = concat("a", i);
  }
  text += concat(" %y = ReduceMax(%", sum, ") output %y as \"y\" }");
  const plan::Plan plan = build_text(text);
  EXPECT_LT(constant_bytes(plan), 1u << 20);
  const auto out =
      Engine::create(plan, {.threads = 1})->create_context()->run({{Datum(f32({1}, {1}))}});
  expect_equal(out[0], Datum(f32({1}, {9})), 1e-6, "sum of fills");
}

}  // namespace
}  // namespace planish::test
