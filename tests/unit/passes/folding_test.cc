// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "ir/text.h"
#include "passes/canonicalize/algebra.h"
#include "passes/canonicalize/canonicalize.h"
#include "passes/infer.h"
#include "support/pass_case.h"

namespace planish::test {
namespace {

using passes::fold_constants;
using passes::fold_control_flow;
using passes::merge_common_nodes;
using passes::resolve_contents;

TEST(Folding, Constants) {
  check_pass(
      fold_constants,
      {{"a chain",
        R"(graph { input %x : float32[2] const %a = float32[2] {1.0, 2.0} %b = Mul(%a, %a)
                %c = Neg(%b) %y = Add(%x, %c) output %y as "y" })",
        R"(graph { input %x : float32[2] const %c = float32[2] {-1.0, -4.0} %y = Add(%x, %c) output %y as "y" })"},
       {"several outputs",
        R"(graph { input %x : float32[2] const %a = float32[4] {1.0, 2.0, 3.0, 4.0}
                %b, %c = Split(%a) {num_outputs=2} %d = Add(%x, %b) %y = Mul(%d, %c) output %y as "y" })",
        R"(graph { input %x : float32[2] const %b = float32[2] {1.0, 2.0} const %c = float32[2] {3.0, 4.0}
                %d = Add(%x, %b) %y = Mul(%d, %c) output %y as "y" })"},
       {"quantised weights", R"(graph { input %x : float32[2] const %q = int8[2] {-3, 5}
                const %s = float32[] {0.5} %w = DequantizeLinear(%q, %s) %y = Mul(%x, %w) output %y as "y" })",
        R"(graph { input %x : float32[2] const %w = float32[2] {-1.5, 2.5} %y = Mul(%x, %w) output %y as "y" })"}});
  check_pass(fold_constants,
             {{"an input", R"(graph { input %x : float32[2] %y = Neg(%x) output %y as "y" })"},
              {"much from little",
               R"(graph { const %a = float32[1] {1.0} const %s = int64[1] {1000000}
                %y = Expand(%a, %s) output %y as "y" })",
               "",
               1e-5,
               {},
               false},
              {"an error stays for the run",
               R"(graph { const %a = int32[1] {1} const %z = int32[1] {0} %y = Div(%a, %z)
                output %y as "y" })"}});
}

TEST(Folding, Contents) {
  check_pass(
      resolve_contents,
      {{"a static dim",
        R"(graph { input %x : float32[n, 3, 4] const %i = int64[] {1} const %m = int64[1] {-1}
                const %a = int64[1] {0} %s = Shape(%x) %g = Gather(%s, %i) %u = Unsqueeze(%g, %a)
                %c = Concat(%m, %u) {axis=0} %y = Reshape(%x, %c) output %y as "y" })",
        R"(graph { input %x : float32[n, 3, 4] const %c = int64[2] {-1, 3} %y = Reshape(%x, %c)
                output %y as "y" })"},
       {"a symbolic dim",
        R"(graph { input %x : float32[n, m] const %two = int64[1] {2} %s = Shape(%x)
                %d = Mul(%s, %two) %y = Expand(%x, %s) %z = Add(%d, %d) output %y as "y" output %z as "z" })",
        R"(graph { input %x : float32[n, m]
                %s = planish.Dims(%x) {dims=["n", "m"], dtype=7, scalar=0, sources=[0, 1, 0, 0], symbols=["m", "n"]}
                %y = Expand(%x, %s) %z = planish.Dims(%x) {dims=["4*n", "4*m"], dtype=7, scalar=0,
                sources=[0, 1, 0, 0], symbols=["m", "n"]} output %y as "y" output %z as "z" })",
        1e-5,
        {},
        true}});
  check_pass(resolve_contents,
             {{"depends on data",
               R"(graph { input %x : int64[2] input %z : float32[n, m] const %two = int64[2] {2, 2}
                %s = Add(%x, %two) %y = Expand(%z, %s) output %y as "y" })"}});
}

TEST(Folding, CommonNodes) {
  check_pass(
      merge_common_nodes,
      {{"equal nodes",
        R"(graph { input %x : float32[2] %a = Neg(%x) %b = Neg(%x) %y = Mul(%a, %b) output %y as "y" })",
        R"(graph { input %x : float32[2] %a = Neg(%x) %y = Mul(%a, %a) output %y as "y" })"},
       {"equal constants",
        R"(graph { input %x : float32[2] const %c = float32[] {2.0} const %d = float32[] {2.0}
                %a = Mul(%x, %c) %b = Mul(%x, %d) %y = Add(%a, %b) output %y as "y" })",
        R"(graph { input %x : float32[2] const %c = float32[] {2.0} %a = Mul(%x, %c) %y = Add(%a, %a)
                output %y as "y" })"}});
  check_pass(
      merge_common_nodes,
      {{"other attributes", R"(graph { input %x : float32[2] %a = LeakyRelu(%x) {alpha=0.1}
                %b = LeakyRelu(%x) {alpha=0.2} %y = Mul(%a, %b) output %y as "y" })"},
       {"random numbers",
        R"(graph { input %x : float32[2] %a = RandomNormalLike(%x) %b = RandomNormalLike(%x)
                %y = Mul(%a, %b) output %y as "y" })"},
       {"constants of another sign", R"(graph { input %x : float32[2] const %c = float32[] {0.0}
                const %d = float32[] {-0.0} %a = Div(%x, %c) %b = Div(%x, %d) %y = Add(%a, %b) output %y as "y" })"}});
}

TEST(Folding, If) {
  const auto net = [](const std::string& condition) {
    return R"(graph { input %x : float32[2] input %free : bool[] const %t = bool[] {1} const %f = bool[] {0}
      %y = If(%)" +
           condition + R"() then_branch=graph "a" { %r = Neg(%x) output %r as "r" }
      else_branch=graph "b" { %r = Abs(%x) output %r as "r" } output %y as "y" })";
  };
  const auto plain = [](const std::string& op) {
    return "graph { input %x : float32[2] input %free : bool[] %y = " + op +
           "(%x) output %y as \"y\" }";
  };
  check_pass(fold_control_flow,
             {{"true", net("t"), plain("Neg")}, {"false", net("f"), plain("Abs")}});
  check_pass(fold_control_flow, {{"not known", net("free")}});
}

std::string loop(const std::string& count, const std::string& condition,
                 const std::string& again = "c") {
  return R"(graph { input %x : float32[2] input %n : int64[] const %three = int64[] {3} const %none = int64[] {0}
      const %many = int64[] {100000} const %t = bool[] {1} const %f = bool[] {0}
      %y, %z = Loop(%)" +
         count + ", " + condition + R"(, %x) body=graph "b" {
        input %i : int64[] input %c : bool[] input %v : float32[2]
        %k = Cast(%i) {to=1} %w = Add(%v, %k) %s = Mul(%w, %w) %less = Less(%i, %three)
        output %)" +
         again + R"( as "c" output %w as "w" output %s as "s" }
      output %y as "y" output %z as "z" })";
}

TEST(Folding, Loop) {
  const std::string head =
      "graph { input %x : float32[2] input %n : int64[] const %0 = int64[] {0} const %1 = int64[] "
      "{1} "
      "const %2 = int64[] {2} const %a = int64[1] {0} ";
  const std::string unrolled = head +
                               "%k0 = Cast(%0) {to=1} %w0 = Add(%x, %k0) %s0 = Mul(%w0, %w0) %k1 = "
                               "Cast(%1) {to=1} %w1 = Add(%w0, %k1) "
                               "%s1 = Mul(%w1, %w1) %k2 = Cast(%2) {to=1} %w2 = Add(%w1, %k2) %s2 "
                               "= Mul(%w2, %w2) %u0 = Unsqueeze(%s0, %a) "
                               "%u1 = Unsqueeze(%s1, %a) %u2 = Unsqueeze(%s2, %a) %z = Concat(%u0, "
                               "%u1, %u2) {axis=0} output %w2 as \"y\" "
                               "output %z as \"z\" }";
  const std::string never =
      "graph { input %x : float32[2] input %n : int64[] const %z = float32[0, 2] {} "
      "output %x as \"y\" output %z as \"z\" }";
  check_pass(fold_control_flow, {{"three times", loop("three", "%t"), unrolled},
                                 {"no condition", loop("three", "_", "less"), unrolled},
                                 {"no iterations", loop("none", "%t"), never},
                                 {"false from the start", loop("n", "%f"), never}});
  check_pass(fold_control_flow, {{"a condition that is computed", loop("three", "%t", "less")},
                                 {"a count that is not known", loop("n", "%t")},
                                 {"too many iterations", loop("many", "%t")}});
}

// A symbol that the body makes up stands for another size in each iteration.
TEST(Folding, UnrolledIterationsHaveSizesOfTheirOwn) {
  const auto graph =
      ir::parse(R"(graph { input %x : float32[n] const %two = int64[] {2} const %t = bool[] {1}
    const %k = float32[1] {1.0}
    %y = Loop(%two, %t, %x) body=graph "b" { input %i : int64[] input %c : bool[] input %v : float32[...]
      %w = Concat(%v, %v) {axis=0} output %c as "c" output %w as "w" } output %y as "y" })");
  passes::infer_types(*graph, passes::Known::kIgnore);
  passes::PassContext context;
  ASSERT_TRUE(fold_control_flow(*graph, context));
  EXPECT_EQ(graph->outputs()[0]->type().to_string(), "float32[4*n]");
}

TEST(Folding, QuantizedMoves) {
  const auto net = [](const std::string& body) {
    return "graph { input %q : int8[2, 6] const %s = float32[] {0.25} const %s2 = float32[] {0.5} "
           "const %z = int8[] {3} "
           "const %shape = int64[2] {3, 4} " +
           body + " output %y as \"y\" }";
  };
  check_pass(passes::move_quantized,
             {{"moved",
               net("%d = DequantizeLinear(%q, %s, %z) %r = Reshape(%d, %shape) %t = Transpose(%r) "
                   "{perm=[1, 0]}"
                   " %y = QuantizeLinear(%t, %s, %z)"),
               net("%r = Reshape(%q, %shape) %y = Transpose(%r) {perm=[1, 0]}")}});
  check_pass(
      passes::move_quantized,
      {{"another scale", net("%d = DequantizeLinear(%q, %s, %z) %y = QuantizeLinear(%d, %s2, %z)")},
       {"used elsewhere", net("%d = DequantizeLinear(%q, %s, %z) %r = Reshape(%d, %shape)"
                              " %y = QuantizeLinear(%r, %s, %z) output %r as \"r\"")},
       {"rounding is part of the model", net("input %x : float32[2] %a = QuantizeLinear(%x, %s, %z)"
                                             " %y = DequantizeLinear(%a, %s, %z)")}});
}

}  // namespace
}  // namespace planish::test
