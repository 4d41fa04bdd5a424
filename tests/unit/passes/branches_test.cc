// SPDX-License-Identifier: Apache-2.0
// Branches whose shapes contradict one another: they fail if they run, and only then.
#include <gtest/gtest.h>

#include "compiler/builder.h"
#include "ir/text.h"
#include "passes/infer.h"
#include "passes/pipelines.h"
#include "passes/rewrite.h"
#include "planish/error.h"
#include "runtime/context.h"
#include "runtime/engine.h"
#include "support/op_case.h"

namespace planish::test {
namespace {

// The branches get [2, 3] and [4] to work with.
std::string net(const std::string& yes, const std::string& no,
                const std::string& condition = "%c") {
  return R"(graph { input %x : float32[2, 3] input %s : float32[4] input %c : bool[]
    const %true = bool[] {1} const %false = bool[] {0} const %three = int64[] {3} const %axes = int64[1] {5}
    %y = If()" +
         condition + R"() then_branch=graph "" { )" + yes +
         R"( output %r as "r" } else_branch=graph "" { )" + no +
         R"( output %r as "r" } output %y as "y" })";
}
const std::string kRight = "%r = Relu(%x)";
const std::string kWrong = "%a = Neg(%x) %b = Add(%a, %s) %d = Tanh(%b) %r = Relu(%d)";
const std::string kWrongAxis = "%b = Unsqueeze(%x, %axes) %r = Relu(%b)";
const std::string kWrongLoop = R"(%r = Loop(%three, %true, %x) body=graph "" {
  input %i : int64[] input %g : bool[] input %v : float32[2, 3]
  %k = Add(%v, %s) output %g as "g" output %k as "k" })";

std::vector<Datum> feed(bool yes) {
  return {Datum(counting(DType::kF32, {2, 3})), Datum(counting(DType::kF32, {4})),
          Datum(boolean({}, {yes ? 1.0 : 0.0}))};
}

ErrorCode code_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.code();
  }
  return ErrorCode::kOk;
}

TEST(Branches, TypesAreThoseOfTheBranchThatHasSome) {
  for (const std::string& text : {net(kRight, kWrong), net(kWrong, kRight), net(kRight, kWrongAxis),
                                  net(kWrong, kRight, "%false"), net(kRight, kWrong, "%true")}) {
    const auto graph = ir::parse(text);
    passes::infer_types(*graph, passes::Known::kIgnore);
    EXPECT_EQ(graph->outputs()[0]->type().to_string(), "float32[2, 3]") << text;
  }
  for (const std::string& text :
       {net(kWrong, kWrong), net(kWrong, kRight, "%true"), net(kRight, kWrongAxis, "%false")}) {
    const auto graph = ir::parse(text);
    EXPECT_EQ(code_of([&] { passes::infer_types(*graph, passes::Known::kIgnore); }),
              ErrorCode::kInvalidShape)
        << text;
  }
}

TEST(Branches, EnginesFailWhereTheWrongOneRuns) {
  for (const std::string& wrong : {kWrong, kWrongAxis, kWrongLoop})
    for (const bool reference : {false, true}) {
      BuildRequest request;
      request.options.device = "cpu";
      request.options.threads = 1;
      request.options.reference = reference;
      const auto engine = Engine::create(build_graph(ir::parse(net(kRight, wrong)), request));
      const auto context = engine->create_context();
      for (int round = 0; round < 2; ++round) {
        const auto out = context->run(feed(true));
        expect_equal(out[0], Datum(counting(DType::kF32, {2, 3})), 0, wrong);
        EXPECT_EQ(code_of([&] { context->run(feed(false)); }), ErrorCode::kInvalidShape) << wrong;
      }
    }
}

// Relu(x) = x + [0, 0, 0, 0, 0], of a rule that is wrong.
bool add_a_vector_of_five(ir::Node& node, passes::Patch& patch) {
  ir::Value* five = patch.constant(Tensor(DType::kF32, {5}));
  patch.replace(node.output(), patch.add("Add", {node.input(0), five}));
  return true;
}

// A loop's body runs: what contradicts there is a fault of the rule, not of the model.
TEST(Rules, AContradictionIsPassedOverInBranchesOnly) {
  constexpr passes::Rule kRules[] = {{"add-five", "Relu", add_a_vector_of_five}};
  const std::string loop = R"(Loop(%three, %true, %x) body=graph "" {
    input %i : int64[] input %g : bool[] input %v : float32[2, 3]
    %k = Relu(%v) output %g as "g" output %k as "k" })";
  const auto apply = [&](const std::string& text) {
    const auto graph = ir::parse(text);
    passes::infer_types(*graph, passes::Known::kIgnore);
    passes::PassContext context;
    return code_of([&] { passes::apply_rules(*graph, kRules, context); });
  };
  const std::string plain = R"(graph { input %x : float32[2, 3] const %true = bool[] {1}
    const %three = int64[] {3} %r = )";
  EXPECT_EQ(apply(plain + loop + " output %r }"), ErrorCode::kInvalidShape);
  EXPECT_EQ(apply(net(kRight, "%r = Neg(%x)")), ErrorCode::kOk);
  EXPECT_EQ(apply(net("%r = " + loop, "%r = Neg(%x)")), ErrorCode::kOk);
}

}  // namespace
}  // namespace planish::test
