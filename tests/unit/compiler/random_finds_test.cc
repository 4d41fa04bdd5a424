// SPDX-License-Identifier: Apache-2.0
// What random models (planish_dev random) found: graphs whose engines failed or gave other results
// than the interpreter.
#include <gtest/gtest.h>

#include "backend/ref/compile/interpreter.h"
#include "base/str.h"
#include "passes/infer.h"
#include "support/op_case.h"
#include "support/pass_case.h"
#include "unit/backend/cpu/guarded_buffer.h"
#include "unit/compiler/compiler_support.h"

namespace planish::test {
namespace {

// Builds the graph for each instruction set and compares with the interpreter.
void check_engine(const std::string& text, const std::vector<Bindings>& sizes,
                  double tolerance = 1e-5) {
  const auto graph = ir::parse(text);
  passes::infer_types(*graph, passes::Known::kIgnore);
  for (const cpu::Isa isa : cpu::supported_isas()) {
    const std::string name = cpu::isa_name(isa);
    const BuildRequest request = cpu_request(name);
    EngineOptions options = EngineOptions::from(request.options);
    options.poison = true;
    const auto context = Engine::create(build_text(text, request), options)->create_context();
    for (const Bindings& run : sizes) {
      const auto inputs = random_inputs(*graph, run, 5);
      RunBudget budget;
      const auto expected = ref::interpret(*graph, inputs, budget);
      const auto got = context->run(inputs);
      for (size_t i = 0; i < got.size(); ++i)
        expect_equal(got[i], expected[i], tolerance, concat(name, ", output ", i));
    }
  }
}

// The tail of a product is computed in place, so its result must be of the product's type.
TEST(RandomFinds, ProductThatIsCastToBool) {
  check_engine(R"(graph { input %x : float32[k, 2, m, 16] const %w = float32[2, 16, 15] splat 0.25
    %p = MatMul(%x, %w) %r = Relu(%p) %y = Cast(%r) {to=9} output %y as "y" })",
               {{{"k", 3}, {"m", 2}}});
}

// Images without elements, of which padding makes some.
TEST(RandomFinds, ConvolutionsOfNothing) {
  const std::vector<Bindings> sizes = {
      {{"h", 0}, {"w", 3}}, {{"h", 4}, {"w", 0}}, {{"h", 4}, {"w", 3}}};
  const std::string head =
      R"(graph { input %x : float32[2, 4, h, w] const %b = float32[8] {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0} )";
  check_engine(head + R"(const %k = float32[8, 4, 2, 2] splat 0.5
    %y = Conv(%x, %k, %b) {pads=[1, 1, 1, 1]} output %y as "y" })",
               sizes);
  check_engine(head + R"(const %k = float32[8, 1, 2, 2] splat 0.5
    %y = Conv(%x, %k, %b) {pads=[1, 1, 1, 1], group=4} output %y as "y" })",
               sizes);
  check_engine(head + R"(const %k = float32[4, 8, 3, 3] splat 0.5
    %y = ConvTranspose(%x, %k, %b) output %y as "y" })",
               sizes);
}

TEST(RandomFinds, ResizeOfNothing) {
  check_engine(R"(graph { input %x : float32[n, 3, 4, w] const %s = float32[4] {1.0, 1.0, 2.0, 2.0}
    %y = Resize(%x, _, %s) {mode="linear"} output %y as "y" })",
               {{{"n", 1}, {"w", 0}}, {{"n", 0}, {"w", 2}}, {{"n", 1}, {"w", 2}}});
}

// Windows that lie in padding alone: no largest element, a mean of 0.
TEST(RandomFinds, PoolsOfNothing) {
  for (const char* op : {"MaxPool(%x) {", "AveragePool(%x) {count_include_pad=0, ",
                         "AveragePool(%x) {count_include_pad=1, "})
    check_engine(concat("graph { input %x : float32[2, 3, h, w] %y = ", op,
                        "kernel_shape=[2, 2], pads=[1, 1, 1, 1]} output %y as \"y\" }"),
                 {{{"h", 0}, {"w", 1}}, {{"h", 3}, {"w", 0}}, {{"h", 2}, {"w", 2}}});
}

// The size that the tuner guesses is too small for the window.
TEST(RandomFinds, WindowsThatNeedMoreThanTheUsualSize) {
  check_engine(
      R"(graph { input %x : float32[1, 2, h, h] %y = MaxPool(%x) {kernel_shape=[9, 9], pads=[1, 1, 1, 1]}
    output %y as "y" })",
      {{{"h", 12}}});
  check_engine(R"(graph { input %x : float32[1, 2, h, h] const %k = float32[3, 2, 9, 9] splat 0.125
    %y = Conv(%x, %k) output %y as "y" })",
               {{{"h", 12}}});
}

TEST(RandomFinds, NormalizationsOfNoChannels) {
  check_engine(R"(graph { input %x : float32[2, c, h, 3] input %s : float32[c] input %b : float32[c]
    %y = InstanceNormalization(%x, %s, %b) output %y as "y" })",
               {{{"c", 0}, {"h", 2}}, {{"c", 2}, {"h", 0}}, {{"c", 2}, {"h", 2}}});
  check_engine(R"(graph { input %x : float32[2, c, h, 3] input %s : float32[c] input %b : float32[c]
    %y = GroupNormalization(%x, %s, %b) {num_groups=2} output %y as "y" })",
               {{{"c", 0}, {"h", 2}}, {{"c", 4}, {"h", 0}}, {{"c", 4}, {"h", 2}}});
}

// x * a + b was taken for (x - mean) * a' + b, which loses the digits that the mean has. With one
// element a channel the result is the bias, whatever x is.
TEST(RandomFinds, NormalizationsOfOneElement) {
  check_engine(R"(graph { input %x : float32[n, 8, 1]
    const %s = float32[8] {0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0}
    const %b = float32[8] {0.25, -0.5, 0.33, 0.5, 0.66, 0.75, -0.33, -1.0}
    const %c = float32[] {77.7} %m = Add(%x, %c)
    %y = InstanceNormalization(%m, %s, %b) output %y as "y" })",
               {{{"n", 1}}, {{"n", 3}}}, 1e-6);
}

// The mean of an image may be much greater than its deviation.
TEST(RandomFinds, NormalizationsOfGreatMeans) {
  for (const char* op :
       {"InstanceNormalization(%m, %s, %b)", "GroupNormalization(%m, %s, %b) {num_groups=4}"})
    check_engine(concat(R"(graph { input %x : float32[2, 8, h, 5]
      const %s = float32[8] splat 1.5 const %b = float32[8] splat 0.25 const %c = float32[] {4096.0}
      %q = Round(%x) %m = Add(%q, %c) %y = )",
                        op, R"( output %y as "y" })"),
                 {{{"h", 3}}, {{"h", 40}}}, 1e-5);
}

// Concat and Mean took a missing input for one of unknown size.
TEST(RandomFinds, AbsentInputs) {
  for (const char* op : {"Concat(%x, %x, _, %x) {axis=0}", "Max(%x, _)", "MatMul(_, %x)",
                         "SequenceConstruct(%x, _, %x)", "Gather(%x, _)", "Mean(_, %x)"}) {
    const auto graph =
        ir::parse(concat("graph { input %x : float32[2] %y = ", op, R"( output %y as "y" })"));
    try {
      passes::infer_types(*graph, passes::Known::kIgnore);
      ADD_FAILURE() << op;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInvalidModel) << op << ": " << e.what();
    }
  }
}

}  // namespace
}  // namespace planish::test
