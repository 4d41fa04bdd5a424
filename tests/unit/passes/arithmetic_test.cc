// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "passes/canonicalize/algebra.h"
#include "support/pass_case.h"

namespace planish::test {
namespace {

std::string net(const std::string& body) {
  return "graph { input %x : float32[n, 3] input %k : int64[n, 3] const %a = float32[3] {1.0, 2.0, "
         "0.5} "
         "const %b = float32[] {4.0} const %one = float32[] {1.0} const %zero = float32[] {0.0} "
         "const %two = float32[] {2.0} const %half = float32[] {0.5} const %minus = float32[] "
         "{-1.0} "
         "const %iminus = int64[] {-1} const %yes = bool[1, 3] splat 1 const %no = bool[] {0} "
         "const %some = bool[3] {1, 0, 1} const %izero = int64[] {0} const %ione = int64[] {1} " +
         body + " output %y as \"y\" }";
}

TEST(Arithmetic, ConstantsStandSecond) {
  check_pass(passes::simplify_arithmetic,
             {{"sum", net("%y = Add(%a, %x)"), net("%y = Add(%x, %a)")},
              {"product", net("%y = Mul(%a, %x)"), net("%y = Mul(%x, %a)")},
              {"difference", net("%y = Sub(%x, %a)"),
               net("const %c = float32[3] {-1.0, -2.0, -0.5} %y = Add(%x, %c)")}});
  check_pass(passes::simplify_arithmetic, {{"sum", net("%y = Add(%x, %a)")},
                                           {"constant minuend", net("%y = Sub(%a, %x)")},
                                           {"integers", net("%y = Sub(%k, %iminus)")},
                                           {"quotient", net("%y = Div(%a, %x)")}});
}

TEST(Arithmetic, ConstantsJoin) {
  check_pass(passes::simplify_arithmetic, {{"terms", net("%s = Add(%x, %a) %y = Add(%s, %b)"),
                                            net("%c = Add(%a, %b) %y = Add(%x, %c)")},
                                           {"factors", net("%s = Mul(%x, %a) %y = Mul(%s, %b)"),
                                            net("%c = Mul(%a, %b) %y = Mul(%x, %c)")}});
  check_pass(passes::simplify_arithmetic,
             {{"terms that cancel", net("%s = Add(%x, %a) %y = Add(%s, %minus)")},
              {"used elsewhere", net("%s = Add(%x, %a) %y = Add(%s, %b) output %s as \"s\"")},
              {"product that underflows",
               net("const %t = float32[] {1e-30} %s = Mul(%x, %t) %y = Mul(%s, %t)")},
              {"joint constant is larger",
               net("const %c = float32[1, 3] {1.0, 2.0, 3.0} const %d = float32[2, 1] "
                   "{1.0, 2.0} input %z : float32[2, 3] %s = Mul(%z, %c) %y = Mul(%s, %d)")}});
}

TEST(Arithmetic, NegationAndChoice) {
  check_pass(passes::simplify_arithmetic,
             {{"times -1", net("%y = Mul(%x, %minus)"), net("%y = Neg(%x)")},
              {"integers", net("%y = Mul(%k, %iminus)"), net("%y = Neg(%k)")},
              {"true", net("%w = Where(%yes, %x, %a) %y = Relu(%w)"), net("%y = Relu(%x)")},
              {"false", net("%w = Where(%no, %a, %x) %y = Relu(%w)"), net("%y = Relu(%x)")},
              {"the same twice", net("input %c : bool[n, 3] %w = Where(%c, %x, %x) %y = Relu(%w)"),
               net("input %c : bool[n, 3] %y = Relu(%x)")}});
  check_pass(passes::simplify_arithmetic, {{"times 2", net("%y = Mul(%x, %two)")},
                                           {"some", net("%y = Where(%some, %x, %a)")},
                                           {"broadcast", net("%y = Where(%yes, %a, %x)")}});
}

TEST(Arithmetic, Reductions) {
  const std::string z =
      "input %z : float32[n, 1, h, w] const %i1 = int64[1] {1} const %i2 = int64[1] {2} "
      "const %i3 = int64[1] {3} const %i23 = int64[2] {2, 3} ";
  check_pass(
      passes::simplify_arithmetic,
      {{"kept dims", net(z + "%r = ReduceMean(%z, %i3) %y = ReduceMean(%r, %i2)"),
        net(z + "%y = ReduceMean(%z, %i23) {keepdims=1}")},
       {"dropped dims",
        net(z + "%r = ReduceMax(%z, %i2) {keepdims=0} %y = ReduceMax(%r, %i2) {keepdims=0}"),
        net(z + "%y = ReduceMax(%z, %i23) {keepdims=0}")},
       {"nothing kept", net(z + "%r = ReduceSum(%z, %i1) %y = Relu(%r)"), net(z + "%y = Relu(%z)")},
       {"nothing dropped", net(z + "%y = ReduceSum(%z, %i1) {keepdims=0}"),
        net(z + "%y = Squeeze(%z, %i1)")}});
  check_pass(passes::simplify_arithmetic,
             {{"of two kinds", net(z + "%r = ReduceMean(%z, %i3) %y = ReduceMax(%r, %i2)")},
              {"kept and dropped",
               net(z + "%r = ReduceMean(%z, %i3) %y = ReduceMean(%r, %i2) {keepdims=0}")},
              {"a size that is not known", net(z + "%y = ReduceSum(%z, %i2)")}});
}

TEST(Arithmetic, Strength) {
  check_pass(
      passes::reduce_strength,
      {{"square", net("%y = Pow(%x, %two)"), net("%y = Mul(%x, %x)")},
       {"cube", net("const %three = float32[] {3.0} %y = Pow(%x, %three)"),
        net("%s = Mul(%x, %x) %y = Mul(%s, %x)")},
       {"root of a square", net("%s = Mul(%x, %x) %y = Pow(%s, %half)"),
        net("%s = Mul(%x, %x) %y = Sqrt(%s)")},
       {"inverse", net("%y = Pow(%x, %minus)"), net("%y = Reciprocal(%x)")},
       {"quotient", net("%y = Div(%x, %b)"), net("const %q = float32[] {0.25} %y = Mul(%x, %q)")},
       {"1 / x", net("%y = Div(%one, %x)"), net("%y = Reciprocal(%x)")},
       {"sum of three", net("%y = Sum(%x, %a, %x)"), net("%s = Add(%x, %a) %y = Add(%s, %x)")},
       {"global mean",
        "graph { input %x : float32[n, 3, h, w] %y = GlobalAveragePool(%x) output %y as \"y\" }",
        "graph { input %x : float32[n, 3, h, w] const %a = int64[2] {2, 3} %y = ReduceMean(%x, %a) "
        "output %y as \"y\" }"},
       {"axes", net("const %iaxis = int64[1] {-1} %m = ReduceMean(%x, %iaxis) %y = Relu(%m)"),
        net("const %iaxis = int64[1] {1} %m = ReduceMean(%x, %iaxis) %y = Relu(%m)")},
       {"all axes", net("%y = ReduceSum(%x)"),
        net("const %all = int64[2] {0, 1} %y = ReduceSum(%x, %all)")}});
  check_pass(
      passes::reduce_strength,
      {{"fourth power", net("%y = Pow(%x, %b)")},
       {"root of anything", net("%y = Pow(%x, %half)")},
       {"exponent that broadcasts", net("const %e = float32[2, 1, 1] splat 2.0 %y = Pow(%x, %e)")},
       {"integer quotient", net("const %q = int64[] {4} %y = Div(%k, %q)")},
       {"divided by 0", net("%y = Div(%x, %zero)")},
       {"2 / x", net("%y = Div(%two, %x)")},
       {"no axes mean none", net("%y = ReduceSum(%x) {noop_with_empty_axes=1}")}});
}

TEST(Arithmetic, Identities) {
  check_pass(
      passes::drop_identities,
      {{"Identity", net("%i = Identity(%x) %y = Relu(%i)"), net("%y = Relu(%x)")},
       {"same type", net("%i = Cast(%x) {to=1} %y = Relu(%i)"), net("%y = Relu(%x)")},
       {"x + 0", net("%i = Add(%x, %zero) %y = Relu(%i)"), net("%y = Relu(%x)")},
       {"0 + x", net("%i = Add(%zero, %x) %y = Relu(%i)"), net("%y = Relu(%x)")},
       {"x - 0", net("%i = Sub(%x, %zero) %y = Relu(%i)"), net("%y = Relu(%x)")},
       {"x * 1", net("%i = Mul(%x, %one) %y = Relu(%i)"), net("%y = Relu(%x)")},
       {"x / 1", net("%i = Div(%x, %one) %y = Relu(%i)"), net("%y = Relu(%x)")},
       {"integers / 1", net("%i = Div(%k, %ione) %y = Relu(%i)"), net("%y = Relu(%k)")},
       {"power of 1", net("%i = Pow(%x, %one) %y = Relu(%i)"), net("%y = Relu(%x)")},
       {"Neg twice", net("%i = Neg(%x) %j = Neg(%i) %y = Relu(%j)"), net("%y = Relu(%x)")},
       {"Relu twice", net("%i = Relu(%x) %y = Relu(%i)"), net("%y = Relu(%x)")},
       {"Concat of one", net("%i = Concat(%x) {axis=0} %y = Relu(%i)"), net("%y = Relu(%x)")},
       {"Expand to its shape", net("%s = Shape(%x) %i = Expand(%x, %s) %y = Relu(%i)"),
        net("%y = Relu(%x)")},
       {"Pad by nothing", net("const %p = int64[4] splat 0 %i = Pad(%x, %p) %y = Relu(%i)"),
        net("%y = Relu(%x)")},
       {"whole Slice",
        net("const %s = int64[1] {0} const %e = int64[1] {3} const %a1 = int64[1] {1}"
            " %i = Slice(%x, %s, %e, %a1) %y = Relu(%i)"),
        net("%y = Relu(%x)")},
       {"Clip without bounds", net("%i = Clip(%x) %y = Relu(%i)"), net("%y = Relu(%x)")},
       {"Tile once", net("const %t = int64[2] splat 1 %i = Tile(%x, %t) %y = Relu(%i)"),
        net("%y = Relu(%x)")},
       {"Max of one", net("%i = Max(%x) %y = Relu(%i)"), net("%y = Relu(%x)")}});
  check_pass(passes::drop_identities,
             {{"another type", net("%y = Cast(%x) {to=11}")},
              {"0 - x", net("%y = Sub(%zero, %x)")},
              {"x + 1", net("%y = Add(%x, %one)")},
              {"0 that broadcasts", net("const %z = float32[2, 1, 1] splat 0.0 %y = Add(%x, %z)")},
              {"1 / x", net("%y = Div(%one, %x)")},
              {"Neg once", net("%y = Neg(%x)")},
              {"Expand to more", net("const %s = int64[3] {2, 1, 1} %y = Expand(%x, %s)")},
              {"Pad by something", net("const %p = int64[4] {0, 1, 0, 0} %y = Pad(%x, %p)")},
              {"backwards",
               net("const %s = int64[1] {-1} const %e = int64[1] {-9} const %a1 = int64[1] {1}"
                   " %y = Slice(%x, %s, %e, %a1, %s)")},
              {"Tile twice", net("const %t = int64[2] {1, 2} %y = Tile(%x, %t)")}});
}

}  // namespace
}  // namespace planish::test
