// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "passes/canonicalize/algebra.h"
#include "passes/canonicalize/canonicalize.h"
#include "passes/canonicalize/recognize.h"
#include "support/pass_case.h"

namespace planish::test {
namespace {

using passes::simplify_movement;

std::string net(const std::string& body) {
  return "graph { input %x : float32[n, 6] input %z : float32[n, 4] const %i0 = int64[1] {0} const "
         "%i1 = int64[1] {1} "
         "const %i2 = int64[1] {2} const %i3 = int64[1] {3} const %i5 = int64[1] {5} const %i6 = "
         "int64[1] {6} "
         "const %i8 = int64[1] {8} const %i10 = int64[1] {10} const %big = int64[1] "
         "{9223372036854775807}" +
         body + " output %y as \"y\" }";
}

TEST(Movement, SliceOfConcat) {
  check_pass(
      simplify_movement,
      {{"one part",
        net("%c = Concat(%x, %z) {axis=1} %s = Slice(%c, %i6, %big, %i1) %y = Relu(%s)"),
        net("%y = Relu(%z)")},
       {"within a part", net("%c = Concat(%x, %z) {axis=-1} %y = Slice(%c, %i1, %i3, %i1)"),
        net("%y = Slice(%x, %i1, %i3, %i1)")},
       {"whole parts", net("%c = Concat(%x, %z, %x) {axis=1} %y = Slice(%c, %i0, %i10, %i1)"),
        net("%y = Concat(%x, %z) {axis=1}")}});
  check_pass(
      simplify_movement,
      {{"across a border", net("%c = Concat(%x, %z) {axis=1} %y = Slice(%c, %i5, %i8, %i1)")},
       {"another axis", net("%c = Concat(%x, %x) {axis=0} %y = Slice(%c, %i1, %i3, %i1)")},
       {"backwards", net("const %m = int64[1] {-1} %c = Concat(%x, %z) {axis=1}"
                         " %y = Slice(%c, %i3, %i1, %i1, %m)")}});
}

TEST(Movement, SliceOfSlice) {
  check_pass(simplify_movement,
             {{"one axis", net("%s = Slice(%x, %i1, %i6, %i1) %y = Slice(%s, %i2, %i3, %i1)"),
               net("const %four = int64[1] {4} %y = Slice(%x, %i3, %four, %i1)")}});
  check_pass(simplify_movement,
             {{"two axes", net("%s = Slice(%x, %i1, %i6, %i1) %y = Slice(%s, %i0, %i1, %i0)")}});
}

TEST(Movement, ConcatAndSplit) {
  check_pass(
      simplify_movement,
      {{"concat of concat", net("%c = Concat(%x, %z) {axis=1} %y = Concat(%z, %c) {axis=-1}"),
        net("%y = Concat(%z, %x, %z) {axis=1}")},
       {"concat of split",
        net("%a, %b = Split(%x) {axis=1, num_outputs=2} %c = Concat(%a, %b) {axis=1}"
            " %y = Relu(%c)"),
        net("%y = Relu(%x)")},
       {"split of concat",
        net("const %s = int64[2] {6, 4} %c = Concat(%x, %z) {axis=1} %a, %b = Split(%c, %s) "
            "{axis=1}"
            " %y = Concat(%b, %a) {axis=1}"),
        net("%y = Concat(%z, %x) {axis=1}")},
       {"one part of a split", net("%a, %b = Split(%x) {axis=1, num_outputs=2} %y = Relu(%b)"),
        net("%b = Slice(%x, %i3, %i6, %i1) %y = Relu(%b)")},
       {"a split of one", net("%a = Split(%x) {axis=1, num_outputs=1} %y = Relu(%a)"),
        net("%y = Relu(%x)")}});
  check_pass(simplify_movement,
             {{"another axis", net("%c = Concat(%x, %x) {axis=0} %w = Concat(%z, %z) {axis=0} %y = "
                                   "Concat(%c, %w) {axis=1}")},
              {"inner used elsewhere",
               net("%c = Concat(%x, %z) {axis=1} %y = Concat(%z, %c) {axis=1} output %c as \"c\"")},
              {"parts turned",
               net("%a, %b = Split(%x) {axis=1, num_outputs=2} %y = Concat(%b, %a) {axis=1}")},
              {"other sizes", net("const %s = int64[2] {5, 5} %c = Concat(%x, %z) {axis=1} %a, %b "
                                  "= Split(%c, %s) {axis=1}"
                                  " %y = Concat(%b, %a) {axis=1}")}});
}

TEST(Movement, Gather) {
  check_pass(simplify_movement,
             {{"consecutive", net("const %g = int64[3] {2, 3, -2} %y = Gather(%x, %g) {axis=1}"),
               net("%y = Slice(%x, %i2, %i5, %i1)")}});
  check_pass(simplify_movement,
             {{"with a gap", net("const %g = int64[2] {2, 4} %y = Gather(%x, %g) {axis=1}")},
              {"scalar", net("const %g = int64[] {2} %y = Gather(%x, %g) {axis=1}")},
              {"unknown size", net("const %g = int64[2] {0, 1} %y = Gather(%x, %g) {axis=0}")}});
}

TEST(Movement, Expand) {
  const std::string wide = "input %t : float32[1, 6] const %s = int64[2] {1, 6} ";
  check_pass(simplify_movement,
             {{"of one operand", net(wide + "%h = Shape(%x) %e = Expand(%t, %h) %y = Add(%x, %e)"),
               net(wide + "%y = Add(%x, %t)")}});
  check_pass(simplify_movement,
             {{"of the only wide operand",
               net(wide + "%h = Shape(%x) %e = Expand(%t, %h) %y = Add(%t, %e)")},
              {"no pointwise op",
               net(wide + "%h = Shape(%x) %e = Expand(%t, %h) %y = Concat(%x, %e) {axis=0}")}});
}

TEST(Movement, ShapeAndCast) {
  check_pass(simplify_movement,
             {{"shape of Relu", net("%r = Relu(%x) %y = Shape(%r)"), net("%y = Shape(%x)")},
              {"cast forth and back", net("%d = Cast(%x) {to=11} %y = Cast(%d) {to=1}"),
               net("%y = Cast(%x) {to=1}")},
              {"bool by int", net("%t = Less(%x, %x) %i = Cast(%t) {to=7} %y = Cast(%i) {to=1}"),
               net("%t = Less(%x, %x) %y = Cast(%t) {to=1}")}});
  check_pass(
      simplify_movement,
      {{"shape of a product", net("input %w : float32[m, 1, 6] %r = Mul(%x, %w) %y = Shape(%r)")},
       {"cast that rounds", net("%d = Cast(%x) {to=10} %y = Cast(%d) {to=1}")},
       {"cast that truncates", net("%d = Cast(%x) {to=7} %y = Cast(%d) {to=1}")}});
}

TEST(Movement, Blocks) {
  check_pass(
      passes::recognize_rearrangements,
      {{"pixel shuffle",
        R"(graph { input %x : float32[n, 12, 3, 5] const %a = int64[6] {-1, 3, 2, 2, 3, 5}
                const %b = int64[4] {-1, 3, 6, 10} %r = Reshape(%x, %a) %t = Transpose(%r) {perm=[0, 1, 4, 2, 5, 3]}
                %y = Reshape(%t, %b) output %y as "y" })",
        R"(graph { input %x : float32[n, 12, 3, 5] %y = DepthToSpace(%x) {blocksize=2, mode="CRD"}
                output %y as "y" })"},
       {"depth to space",
        R"(graph { input %x : float32[2, 12, h, 5] const %a = int64[6] {2, 2, 2, 3, -1, 5}
                const %b = int64[4] {2, 3, -1, 10} %r = Reshape(%x, %a) %t = Transpose(%r) {perm=[0, 3, 4, 1, 5, 2]}
                %y = Reshape(%t, %b) output %y as "y" })",
        R"(graph { input %x : float32[2, 12, h, 5] %y = DepthToSpace(%x) {blocksize=2, mode="DCR"}
                output %y as "y" })"},
       {"space to depth",
        R"(graph { input %x : float32[2, 3, 4, 6] const %a = int64[6] {2, 3, 2, 2, 3, 2}
                const %b = int64[4] {2, 12, 2, 3} %r = Reshape(%x, %a) %t = Transpose(%r) {perm=[0, 3, 5, 1, 2, 4]}
                %y = Reshape(%t, %b) output %y as "y" })",
        R"(graph { input %x : float32[2, 3, 4, 6] %y = SpaceToDepth(%x) {blocksize=2} output %y as "y" })"}});
  check_pass(passes::recognize_rearrangements,
             {{"another order",
               R"(graph { input %x : float32[2, 12, 3, 5] const %a = int64[6] {2, 3, 2, 2, 3, 5}
                const %b = int64[4] {2, 3, 6, 10} %r = Reshape(%x, %a) %t = Transpose(%r) {perm=[0, 1, 4, 3, 5, 2]}
                %y = Reshape(%t, %b) output %y as "y" })"},
              {"another shape",
               R"(graph { input %x : float32[2, 12, 3, 5] const %a = int64[6] {2, 3, 2, 2, 3, 5}
                const %b = int64[4] {2, 3, 10, 6} %r = Reshape(%x, %a) %t = Transpose(%r) {perm=[0, 1, 4, 2, 5, 3]}
                %y = Reshape(%t, %b) output %y as "y" })"}});
}

TEST(Movement, Reshapes) {
  check_pass(
      passes::canonicalize_reshapes,
      {{"computed shape",
        R"(graph { input %x : float32[n, 6, 4] const %flat = int64[2] {-1, 24} %y = Reshape(%x, %flat)
          output %y as "y" })",
        R"(graph { input %x : float32[n, 6, 4] const %s = int64[2] {0, 24}
          %y = Reshape(%x, %s) output %y as "y" })"},
       {"a chain",
        R"(graph { input %x : float32[n, 6, 4] const %a = int64[2] {0, 24} const %b = int64[4] {0, 2, 3, 4}
          %r = Reshape(%x, %a) %y = Reshape(%r, %b) output %y as "y" })",
        R"(graph { input %x : float32[n, 6, 4] const %b = int64[4] {0, 2, 3, 4} %y = Reshape(%x, %b)
          output %y as "y" })"},
       {"there and back",
        R"(graph { input %x : float32[n, m, 4] const %a = int64[1] {1} %u = Unsqueeze(%x, %a)
          %s = Squeeze(%u, %a) %y = Relu(%s) output %y as "y" })",
        R"(graph { input %x : float32[n, m, 4] %y = Relu(%x) output %y as "y" })"}});
  check_pass(
      passes::canonicalize_reshapes,
      {{"canonical",
        R"(graph { input %x : float32[n, 6, 4] const %s = int64[2] {0, 24} %y = Reshape(%x, %s)
                 output %y as "y" })"},
       {"two dims move",
        R"(graph { input %x : float32[n, m, 4] const %a = int64[1] {0} %y = Unsqueeze(%x, %a)
                 output %y as "y" })"}});
}

}  // namespace
}  // namespace planish::test
