// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/str.h"
#include "passes/canonicalize/recognize.h"
#include "support/pass_case.h"

namespace planish::test {
namespace {

using passes::recognize_activations;

// A graph of one float input x of shape [n, 3] and scalar constants named after what they are.
std::string net(const std::string& body, const std::string& type = "float32") {
  return concat("graph {\n input %x : ", type, "[n, 3]\n const %half = ", type,
                "[] {0.5}\n const %one = ", type, "[] {1.0}\n const %two = ", type,
                "[] {2.0}\n const %three = ", type, "[1] {3.0}\n const %six = ", type,
                "[] {6.0}\n const %zero = ", type, "[] {0.0}\n const %sixth = ", type,
                "[] {0.16666667}\n const %root2 = ", type,
                "[] {1.4142135}\n const %isqrt2 = ", type,
                "[] {0.70710677}\n const %slope = ", type, "[] {0.7978846}\n const %cubic = ", type,
                "[] {0.044715}\n const %quick = ", type, "[] {1.702}\n const %minus = ", type,
                "[] {-1.0}\n", body, "\n output %y as \"y\"\n}");
}
const std::string kGelu = net("%y = Gelu(%x)");
const std::string kTanhGelu = net("%y = Gelu(%x) {approximate=\"tanh\"}");

TEST(Activations, GeluByErf) {
  check_pass(recognize_activations,
             {{"x * 0.5 * (1 + erf)",
               net("%d = Div(%x, %root2) %e = Erf(%d) %a = Add(%e, %one) %m = Mul(%x, %a)"
                   " %y = Mul(%m, %half)"),
               kGelu},
              {"(0.5 x) * (1 + erf)",
               net("%d = Mul(%isqrt2, %x) %e = Erf(%d) %a = Add(%one, %e) %m = Mul(%half, %x)"
                   " %y = Mul(%m, %a)"),
               kGelu},
              {"x * (0.5 * (1 + erf))",
               net("%d = Mul(%x, %isqrt2) %e = Erf(%d) %a = Add(%e, %one) %m = Mul(%a, %half)"
                   " %y = Mul(%x, %m)"),
               kGelu},
              {"x * (0.5 + 0.5 erf)",
               net("%d = Mul(%x, %isqrt2) %e = Erf(%d) %h = Mul(%e, %half) %a = Add(%h, %half)"
                   " %y = Mul(%a, %x)"),
               kGelu},
              {"divided by 2",
               net("%d = Mul(%x, %isqrt2) %e = Erf(%d) %a = Add(%e, %one) %m = Mul(%x, %a)"
                   " %y = Div(%m, %two)"),
               kGelu},
              {"half precision",
               net("%d = Div(%x, %root2) %e = Erf(%d) %a = Add(%e, %one) %m = Mul(%x, %a)"
                   " %y = Mul(%m, %half)",
                   "float16"),
               net("%y = Gelu(%x)", "float16"), 2e-3}});
}

TEST(Activations, NoGeluByErf) {
  check_pass(
      recognize_activations,
      {{"another slope", net("%d = Div(%x, %two) %e = Erf(%d) %a = Add(%e, %one) %m = Mul(%x, %a)"
                             " %y = Mul(%m, %half)")},
       {"another factor",
        net("%d = Div(%x, %root2) %e = Erf(%d) %a = Add(%e, %one) %y = Mul(%x, %a)")},
       {"another offset",
        net("%d = Div(%x, %root2) %e = Erf(%d) %a = Add(%e, %two) %m = Mul(%x, %a)"
            " %y = Mul(%m, %half)")},
       {"erf used elsewhere",
        net("%d = Div(%x, %root2) %e = Erf(%d) %a = Add(%e, %one) %m = Mul(%x, %a)"
            " %y = Mul(%m, %half) output %e as \"e\"")},
       {"another x",
        net("input %z : float32[n, 3] %d = Div(%z, %root2) %e = Erf(%d) %a = Add(%e, %one)"
            " %m = Mul(%x, %a) %y = Mul(%m, %half)")}});
}

TEST(Activations, GeluByTanh) {
  const std::string tail = " %t = Tanh(%u) %a = Add(%t, %one) %m = Mul(%x, %a) %y = Mul(%m, %half)";
  check_pass(
      recognize_activations,
      {{"x * x * x",
        net("%x2 = Mul(%x, %x) %x3 = Mul(%x2, %x) %c = Mul(%x3, %cubic) %s = Add(%x, %c)"
            " %u = Mul(%s, %slope)" +
            tail),
        kTanhGelu},
       {"Pow",
        net("%x3 = Pow(%x, %three) %c = Mul(%cubic, %x3) %s = Add(%c, %x) %u = Mul(%slope, %s)" +
            tail),
        kTanhGelu},
       {"x * (1 + c x x)",
        net("%x2 = Mul(%x, %x) %c = Mul(%x2, %cubic) %s = Add(%c, %one) %v = Mul(%x, %slope)"
            " %u = Mul(%v, %s)" +
            tail),
        kTanhGelu}});
  check_pass(
      recognize_activations,
      {{"a square",
        net("%x2 = Mul(%x, %x) %c = Mul(%x2, %cubic) %s = Add(%x, %c) %u = Mul(%s, %slope)" +
            tail)},
       {"cube used elsewhere", net("%x2 = Mul(%x, %x) %x3 = Mul(%x2, %x) %c = Mul(%x3, %cubic)"
                                   " %s = Add(%x, %c) %u = Mul(%s, %slope)" +
                                   tail + " output %x3 as \"c\"")}});
}

TEST(Activations, Swish) {
  check_pass(
      recognize_activations,
      {{"x * sigmoid(x)", net("%s = Sigmoid(%x) %y = Mul(%x, %s)"), net("%y = Swish(%x)")},
       {"sigmoid(x) * x", net("%s = Sigmoid(%x) %y = Mul(%s, %x)"), net("%y = Swish(%x)")},
       {"quick gelu", net("%q = Mul(%x, %quick) %s = Sigmoid(%q) %y = Mul(%x, %s)"),
        net("%y = Swish(%x) {alpha=1.702}")},
       {"x / (1 + exp(-x))", net("%n = Neg(%x) %e = Exp(%n) %s = Add(%one, %e) %y = Div(%x, %s)"),
        net("%y = Swish(%x)")},
       {"sigmoid spelled out",
        net("%n = Neg(%x) %e = Exp(%n) %s = Add(%e, %one) %r = Reciprocal(%s)"
            " %y = Mul(%x, %r)"),
        net("%y = Swish(%x)")}});
  check_pass(
      recognize_activations,
      {{"another x", net("input %z : float32[n, 3] %s = Sigmoid(%z) %y = Mul(%x, %s)")},
       {"a broadcast x", net("input %z : float32[3] %s = Sigmoid(%z) %y = Mul(%x, %s)")},
       {"a shift", net("%q = Add(%x, %one) %s = Sigmoid(%q) %y = Mul(%x, %s)")},
       {"sigmoid used elsewhere", net("%s = Sigmoid(%x) %y = Mul(%x, %s) output %s as \"s\"")}});
}

TEST(Activations, Sigmoid) {
  check_pass(recognize_activations,
             {{"1 / (1 + exp(-x))",
               net("%n = Neg(%x) %e = Exp(%n) %s = Add(%e, %one) %y = Reciprocal(%s)"),
               net("%y = Sigmoid(%x)")}});
  check_pass(recognize_activations,
             {{"exp(x)", net("%e = Exp(%x) %s = Add(%e, %one) %y = Reciprocal(%s)")}});
}

TEST(Activations, HardSwish) {
  const std::string after = net("%y = HardSwish(%x)");
  check_pass(
      recognize_activations,
      {{"x * relu6(x + 3) / 6",
        net("%a = Add(%x, %three) %c = Clip(%a, %zero, %six) %m = Mul(%x, %c)"
            " %y = Div(%m, %six)"),
        after},
       {"x * (relu6(x + 3) / 6)",
        net("%a = Add(%three, %x) %c = Clip(%a, %zero, %six) %m = Mul(%c, %sixth)"
            " %y = Mul(%x, %m)"),
        after},
       {"min and relu",
        net("%a = Add(%x, %three) %r = Relu(%a) %c = Min(%r, %six) %m = Mul(%x, %c)"
            " %y = Mul(%m, %sixth)"),
        after},
       {"max and min",
        net("%a = Add(%x, %three) %r = Max(%zero, %a) %c = Min(%six, %r) %m = Mul(%x, %c)"
            " %y = Mul(%m, %sixth)"),
        after},
       {"hard sigmoid",
        net("%h = HardSigmoid(%x) {alpha=0.16666667163372, beta=0.5} %y = Mul(%h, %x)"), after}});
  check_pass(
      recognize_activations,
      {{"another slope", net("%h = HardSigmoid(%x) %y = Mul(%h, %x)")},
       {"another bound", net("%a = Add(%x, %three) %c = Clip(%a, %zero, %three) %m = Mul(%x, %c)"
                             " %y = Mul(%m, %sixth)")}});
}

TEST(Activations, HardSigmoid) {
  const std::string after = net("%y = HardSigmoid(%x) {alpha=0.16666667, beta=0.5}");
  check_pass(recognize_activations,
             {{"clip(x / 6 + 0.5, 0, 1)",
               net("%m = Mul(%x, %sixth) %a = Add(%m, %half) %y = Clip(%a, %zero, %one)"), after},
              {"relu6(x + 3) / 6",
               net("%a = Add(%x, %three) %c = Clip(%a, %zero, %six) %y = Div(%c, %six)"), after}});
  check_pass(recognize_activations,
             {{"no line", net("%y = Clip(%x, %zero, %one)")},
              {"two inputs", net("input %z : float32[n, 3] %m = Add(%x, %z) %a = Add(%m, %half)"
                                 " %y = Clip(%a, %zero, %one)")},
              {"from -1", net("%a = Add(%x, %half) %y = Clip(%a, %minus, %one)")}});
}

TEST(Activations, MishAndSoftplus) {
  check_pass(recognize_activations,
             {{"softplus op", net("%s = Softplus(%x) %t = Tanh(%s) %y = Mul(%x, %t)"),
               net("%y = Mish(%x)")},
              {"log and exp",
               net("%e = Exp(%x) %a = Add(%e, %one) %l = Log(%a) %t = Tanh(%l) %y = Mul(%t, %x)"),
               net("%y = Mish(%x)")},
              {"softplus", net("%e = Exp(%x) %a = Add(%one, %e) %y = Log(%a)"),
               net("%y = Softplus(%x)")}});
  check_pass(recognize_activations,
             {{"log(2 + exp)", net("%e = Exp(%x) %a = Add(%two, %e) %y = Log(%a)")},
              {"tanh of x", net("%t = Tanh(%x) %y = Mul(%t, %x)")}});
}

TEST(Activations, ClipAndRelu) {
  check_pass(recognize_activations,
             {{"min of max", net("%m = Max(%x, %minus) %y = Min(%m, %one)"),
               net("%y = Clip(%x, %minus, %one)")},
              {"max of min", net("%m = Min(%x, %one) %y = Max(%m, %minus)"),
               net("%y = Clip(%x, %minus, %one)")},
              {"max with 0", net("%y = Max(%zero, %x)"), net("%y = Relu(%x)")},
              {"clip from 0", net("%y = Clip(%x, %zero)"), net("%y = Relu(%x)")},
              {"clip of relu", net("%r = Relu(%x) %y = Clip(%r, %minus, %one)"),
               net("%y = Clip(%x, %zero, %one)")}});
  check_pass(recognize_activations,
             {{"max over min", net("%m = Min(%x, %minus) %y = Max(%m, %one)")},
              {"max of two values", net("input %z : float32[n, 3] %y = Max(%z, %x)")},
              {"clip below 0", net("%r = Relu(%x) %y = Clip(%r, %minus, %minus)")}});
}

}  // namespace
}  // namespace planish::test
