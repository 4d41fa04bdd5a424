// SPDX-License-Identifier: Apache-2.0
#include "passes/layout/transposes.h"

#include <gtest/gtest.h>

#include "support/pass_case.h"

namespace planish::test {
namespace {

using passes::merge_transposes;
using passes::sink_transposes;

std::string net(const std::string& body) {
  return "graph { input %x : float32[n, h, w, 3] input %z : float32[n, 3, h, w] const %c = "
         "float32[3, 1, 1] {1.0, 2.0, 3.0} "
         "const %half = float32[] {0.5} const %i1 = int64[1] {1} const %i2 = int64[1] {2} const "
         "%i12 = int64[2] {1, 2} "
         "const %i23 = int64[2] {2, 3} const %im1 = int64[1] {-1} " +
         body + " output %y as \"y\" }";
}
const std::string kTurn = "%t = Transpose(%x) {perm=[0, 3, 1, 2]} ";
const std::string kBack = " %y = Transpose(%s) {perm=[0, 3, 1, 2]}";

TEST(Transposes, Merge) {
  check_pass(
      merge_transposes,
      {{"there and back", net(kTurn + "%s = Transpose(%t) {perm=[0, 2, 3, 1]} %y = Relu(%s)"),
        net("%y = Relu(%x)")},
       {"two of them", net(kTurn + "%y = Transpose(%t) {perm=[0, 1, 3, 2]}"),
        net("%y = Transpose(%x) {perm=[0, 3, 2, 1]}")},
       {"without perm", net(kTurn + "%y = Transpose(%t)"),
        net("%y = Transpose(%x) {perm=[2, 1, 3, 0]}")},
       {"moves a 1",
        "graph { input %x : float32[1, h, 4] %y = Transpose(%x) {perm=[1, 0, 2]} output %y as "
        "\"y\" }",
        "graph { input %x : float32[1, h, 4] const %s = int64[3] {-1, 1, 4} %y = Reshape(%x, %s)"
        " output %y as \"y\" }"}});
  check_pass(
      merge_transposes,
      {{"one", net(kTurn + "%y = Relu(%t)")},
       {"something between", net(kTurn + "%r = Relu(%t) %y = Transpose(%r) {perm=[0, 2, 3, 1]}")}});
}

TEST(Transposes, SinkThroughPointwise) {
  check_pass(sink_transposes,
             {{"unary", net(kTurn + "%y = Relu(%t)"), net("%s = Relu(%x)" + kBack)},
              {"scalar", net(kTurn + "%y = Mul(%t, %half)"), net("%s = Mul(%x, %half)" + kBack)},
              {"Clip keeps its scalars",
               net("const %one = float32[1] {1.0} " + kTurn + "%y = Clip(%t, %half, %one)"),
               net("const %one = float32[1] {1.0} %s = Clip(%x, %half, %one)" + kBack)},
              {"channel constant", net(kTurn + "%y = Add(%c, %t)"),
               net("const %r = int64[4] {1, 3, 1, 1} %f = Reshape(%c, %r) %d = Transpose(%f) "
                   "{perm=[0, 2, 3, 1]}"
                   " %s = Add(%d, %x)" +
                   kBack)},
              {"two turned",
               net("input %w : float32[n, h, w, 3] " + kTurn +
                   "%u = Transpose(%w) {perm=[0, 3, 1, 2]}"
                   " %y = Add(%t, %u)"),
               net("input %w : float32[n, h, w, 3] %s = Add(%x, %w)" + kBack)}});
  check_pass(sink_transposes,
             {{"a whole tensor of the other layout", net(kTurn + "%y = Add(%t, %z)")},
              {"turned otherwise", net("input %w : float32[w, h, n, 3] " + kTurn +
                                       "%u = Transpose(%w) {perm=[2, 3, 1, 0]} %y = Add(%t, %u)")},
              // Sunk, it would turn the other operand, whose turn is then to be sunk, without end.
              {"both broadcast", R"(graph { input %a : float32[2, 8, 1, m]
          %t = Transpose(%a) {perm=[0, 2, 3, 1]} %y = Max(%t, %a) output %y as "y" })"}});
}

TEST(Transposes, SinkThroughAxes) {
  check_pass(
      sink_transposes,
      {{"Concat", net(kTurn + "%y = Concat(%t, %t) {axis=1}"),
        net("%s = Concat(%x, %x) {axis=3}" + kBack)},
       {"Softmax", net(kTurn + "%y = Softmax(%t)"), net("%s = Softmax(%x) {axis=2}" + kBack)},
       {"Split",
        net("const %parts = int64[2] {1, 2} " + kTurn +
            "%a, %b = Split(%t, %parts) {axis=1} %r = Relu(%a)"
            " %y = Concat(%b, %r) {axis=1}"),
        net("const %parts = int64[2] {1, 2} %a, %b = Split(%x, %parts) {axis=3} %r = Relu(%a)"
            " %s = Concat(%b, %r) {axis=3}" +
            kBack)},
       {"Split's default axis",
        "graph { input %x : float32[3, 4, 2] %t = Transpose(%x) {perm=[1, 0, 2]} %a, %b ="
        " Split(%t) {num_outputs=2} %y = Add(%a, %b) output %y as \"y\" }",
        "graph { input %x : float32[3, 4, 2] %a, %b = Split(%x) {axis=1, num_outputs=2} %s = "
        "Add(%a, %b)"
        " %y = Transpose(%s) {perm=[1, 0, 2]} output %y as \"y\" }"},
       {"kept dims", net(kTurn + "%y = ReduceMean(%t, %i23)"),
        net("%s = ReduceMean(%x, %i12)" + kBack)},
       {"dropped dims", net(kTurn + "%y = ReduceMax(%t, %i2) {keepdims=0}"),
        net("%s = ReduceMax(%x, %i1) {keepdims=0} %y = Transpose(%s) {perm=[0, 2, 1]}")},
       {"Slice", net(kTurn + "%y = Slice(%t, %i1, %i2, %i1)"),
        net("const %i3 = int64[1] {3} %s = Slice(%x, %i1, %i2, %i3)" + kBack)},
       {"Pad", net("const %p = int64[8] {0, 0, 1, 2, 0, 0, 3, 4} " + kTurn + "%y = Pad(%t, %p)"),
        net("const %p = int64[8] {0, 1, 2, 0, 0, 3, 4, 0} %s = Pad(%x, %p)" + kBack)},
       {"Resize",
        net("const %f = float32[4] {1.0, 1.0, 2.0, 3.0} " + kTurn + "%y = Resize(%t, _, %f)"),
        net("const %f = float32[4] {1.0, 2.0, 3.0, 1.0} %s = Resize(%x, _, %f)" + kBack)}});
  check_pass(
      sink_transposes,
      {{"Concat with another", net(kTurn + "%y = Concat(%t, %z) {axis=1}")},
       {"axes that are not known", net("input %a : int64[1] " + kTurn + "%y = ReduceMean(%t, %a)")},
       {"a matrix product", net("input %w : float32[w, 2] " + kTurn + "%y = MatMul(%t, %w)")}});
}

TEST(Transposes, SinkThroughGather) {
  const std::string heads =
      "graph { input %x : float32[n, l, 3, h, 4] const %one = int64[] {1} const %some = int64[2] "
      "{2, 0} "
      "%t = Transpose(%x) {perm=[2, 0, 3, 1, 4]} ";
  check_pass(sink_transposes,
             {{"one index", heads + "%y = Gather(%t, %one) output %y as \"y\" }",
               "graph { input %x : float32[n, l, 3, h, 4] const %one = int64[] {1} %s = Gather(%x, "
               "%one) {axis=2} "
               "%y = Transpose(%s) {perm=[0, 2, 1, 3]} output %y as \"y\" }"},
              {"a vector of them", heads + "%y = Gather(%t, %some) {axis=-5} output %y as \"y\" }",
               "graph { input %x : float32[n, l, 3, h, 4] const %some = int64[2] {2, 0} "
               "%s = Gather(%x, %some) {axis=2} %y = Transpose(%s) {perm=[2, 0, 3, 1, 4]} output "
               "%y as \"y\" }"}});
  check_pass(sink_transposes,
             {{"a matrix of them",
               heads + "const %m = int64[1, 1] {1} %y = Gather(%t, %m) output %y as \"y\" }"}});
}

TEST(Transposes, SinkThroughShuffle) {
  const auto net = [](const std::string& body) {
    return "graph { input %x : float32[n, h, w, 6] const %a = int64[5] {1, 2, 3, 4, 5} const "
           "%apart = int64[5] {2, 2, 3, 4, 5} "
           "const %whole = int64[4] {2, 6, 4, 5} " +
           body + " output %y as \"y\" }";
  };
  const std::string fixed = "input %z : float32[2, 4, 5, 6] ";
  check_pass(sink_transposes,
             {{"shuffle",
               net(fixed + "%t = Transpose(%z) {perm=[0, 3, 1, 2]} %r = Reshape(%t, %apart)"
                           " %u = Transpose(%r) {perm=[0, 2, 1, 3, 4]} %y = Reshape(%u, %whole)"),
               net(fixed + "const %p = int64[5] {0, 0, 0, 2, 3} const %q = int64[4] {0, 0, 0, 6} "
                           "%r = Reshape(%z, %p)"
                           " %u = Transpose(%r) {perm=[0, 1, 2, 4, 3]} %s = Reshape(%u, %q)"
                           " %y = Transpose(%s) {perm=[0, 3, 1, 2]}")}});
  check_pass(
      sink_transposes,
      {{"another order",
        net(fixed + "%t = Transpose(%z) {perm=[0, 3, 1, 2]} %r = Reshape(%t, %apart)"
                    " %u = Transpose(%r) {perm=[0, 2, 1, 4, 3]} %y = Reshape(%u, %whole)")}});
}

TEST(Transposes, SinkThroughNorms) {
  const std::string vectors =
      "const %s1 = float32[3] {1.0, 2.0, 3.0} const %b1 = float32[3] {0.5, 0.0, 1.0} ";
  check_pass(
      sink_transposes,
      {{"instances", net(vectors + kTurn + "%y = InstanceNormalization(%t, %s1, %b1)"),
        net(vectors + "%s = planish.InstanceNormalizationNhwc(%x, %s1, %b1)" + kBack)},
       {"groups", net(vectors + kTurn + "%y = GroupNormalization(%t, %s1, %b1) {num_groups=1}"),
        net(vectors + "%s = planish.GroupNormalizationNhwc(%x, %s1, %b1) {num_groups=1}" +
            kBack)}});
  check_pass(sink_transposes,
             {{"other channels",
               "graph { input %x : float32[n, 3, h, w] const %s1 = float32[3] splat 1.0"
               " %t = Transpose(%x) {perm=[0, 1, 3, 2]}"
               " %y = InstanceNormalization(%t, %s1, %s1) output %y as \"y\" }"}});
}

}  // namespace
}  // namespace planish::test
