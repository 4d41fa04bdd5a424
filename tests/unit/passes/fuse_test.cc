// SPDX-License-Identifier: Apache-2.0
#include "passes/fuse/fuse.h"

#include <gtest/gtest.h>

#include "ops/op.h"
#include "support/pass_case.h"

namespace planish::test {
namespace {

// A small backend: products are roots, a kernel takes three inputs and four nodes.
bool fuse_small(ir::Graph& graph, passes::PassContext&) {
  constexpr passes::FusePolicy kPolicy{
      .is_root = [](const ir::Node& node) { return node.op() == "MatMul"; },
      .is_member =
          [](const ir::Node& node) {
            return get_op(node.op()).is_pointwise || node.op() == "Cast";
          },
      .max_inputs = 3,
      .max_nodes = 4,
      .keeps_root_type = true};
  return passes::fuse(graph, kPolicy);
}

std::string net(const std::string& body, const std::string& outputs = R"(output %y as "y")") {
  return R"(graph { input %x : float32[n, 3] input %z : float32[n, 3] input %w : float32[3, 3]
    input %v : float32[3] input %u : float32[n, 3]
    const %half = float32[] {0.5} const %row = float32[3] {1.0, 2.0, 3.0} )" +
         body + " " + outputs + " }";
}

TEST(Fuse, RootsWithTails) {
  check_pass(
      fuse_small,
      {{"a root, a constant and a tail",
        net("%m = MatMul(%x, %w) %s = Mul(%m, %half) %y = Tanh(%s)"),
        net(R"(%y = planish.Fused(%x, %w) body=graph "" { input %x : float32[n, 3] input %w : float32[3, 3]
              const %h = float32[] {0.5} %m = MatMul(%x, %w) %s = Mul(%m, %h) %y = Tanh(%s)
              output %y as "y" })")},
       {"a constant of several elements is an input", net("%m = MatMul(%x, %w) %y = Add(%m, %row)"),
        net(R"(%y = planish.Fused(%x, %w, %row) body=graph "" { input %x : float32[n, 3]
              input %w : float32[3, 3] input %row : float32[3] %m = MatMul(%x, %w) %y = Add(%m, %row)
              output %y as "y" })")},
       {"one root a group: the last",
        net("%a = MatMul(%x, %w) %b = MatMul(%z, %w) %y = Add(%a, %b)"),
        net(R"(%a = MatMul(%x, %w) %y = planish.Fused(%z, %w, %a) body=graph "" { input %z : float32[n, 3]
              input %w : float32[3, 3] input %a : float32[n, 3] %b = MatMul(%z, %w) %y = Add(%a, %b)
              output %y as "y" })")},
       {"what feeds the root stays outside", net("%r = Relu(%x) %m = MatMul(%r, %w) %y = Neg(%m)"),
        net(R"(%r = Relu(%x) %y = planish.Fused(%r, %w) body=graph "" { input %r : float32[n, 3]
              input %w : float32[3, 3] %m = MatMul(%r, %w) %y = Neg(%m) output %y as "y" })")}});
}

TEST(Fuse, PointwiseTrees) {
  check_pass(
      fuse_small,
      {{"without a root", net("%a = Neg(%x) %b = Exp(%z) %y = Mul(%a, %b)"),
        net(R"(%y = planish.Fused(%x, %z) body=graph "" { input %x : float32[n, 3] input %z : float32[n, 3]
              %a = Neg(%x) %b = Exp(%z) %y = Mul(%a, %b) output %y as "y" })")},
       {"used twice inside", net("%a = Sigmoid(%x) %y = Mul(%a, %a)"),
        net(R"(%y = planish.Fused(%x) body=graph "" { input %x : float32[n, 3] %a = Sigmoid(%x)
              %y = Mul(%a, %a) output %y as "y" })")},
       {"four nodes are full",
        net("%a = Neg(%x) %b = Exp(%a) %c = Abs(%b) %d = Sqrt(%c) %y = Tanh(%d)"),
        net(R"(%a = Neg(%x) %y = planish.Fused(%a) body=graph "" { input %a : float32[n, 3] %b = Exp(%a)
              %c = Abs(%b) %d = Sqrt(%c) %y = Tanh(%d) output %y as "y" })")},
       {"in a branch", R"(graph { input %x : float32[2] input %c : bool[]
          %y = If(%c) then_branch=graph "" { %a = Neg(%x) %r = Exp(%a) output %r as "r" }
            else_branch=graph "" { %r = Abs(%x) output %r as "r" } output %y as "y" })",
        R"(graph { input %x : float32[2] input %c : bool[]
          %y = If(%c) then_branch=graph "" { %r = planish.Fused(%x) body=graph "" { input %x : float32[2]
              %a = Neg(%x) %r = Exp(%a) output %r as "r" } output %r as "r" }
            else_branch=graph "" { %r = Abs(%x) output %r as "r" } output %y as "y" })"}});
}

TEST(Fuse, WhatStaysApart) {
  check_pass(fuse_small,
             {{"one node", net("%y = Neg(%x)")},
              {"a root alone", net("%y = MatMul(%x, %w)")},
              {"a result that is an output",
               net("%a = Neg(%x) %y = Exp(%a)", R"(output %a as "a" output %y as "y")")},
              {"a result that others use", net("%a = Neg(%x) %y = Exp(%a) %b = MatMul(%a, %w)",
                                               R"(output %y as "y" output %b as "b")")},
              {"a result that is used in a branch",
               R"(graph { input %x : float32[2] input %c : bool[] %a = Neg(%x) %z = Exp(%a)
          %y = If(%c) then_branch=graph "" { %r = Abs(%a) output %r as "r" }
            else_branch=graph "" { %r = Abs(%x) output %r as "r" }
          output %y as "y" output %z as "z" })"},
              {"another shape", net("%a = Neg(%v) %y = Add(%x, %a)")},
              {"too many inputs", net("%m = Max(%x, %z, %u) %y = Add(%m, %v)")},
              {"a root of another type", net("%m = MatMul(%x, %w) %y = Cast(%m) {to=9}")},
              {"no pointwise op", net("%s = Softmax(%x) %y = ReduceSum(%s)")}});
}

}  // namespace
}  // namespace planish::test
