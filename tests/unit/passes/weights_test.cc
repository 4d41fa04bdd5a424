// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "passes/canonicalize/algebra.h"
#include "support/pass_case.h"

namespace planish::test {
namespace {

using passes::fold_into_weights;

std::string net(const std::string& body) {
  return "graph { input %x : float32[n, 2, 5, 5] input %m : float32[n, 2] "
         "const %w = float32[2, 2, 1, 1] {1.0, 2.0, 3.0, 4.0} const %b = float32[2] {1.0, -1.0} "
         "const %f = float32[2, 1, 1] {2.0, 3.0} const %t = float32[2, 1, 1] {0.5, 0.25} const "
         "%half = float32[] {0.5} "
         "const %p = float32[2, 3] {1.0, 2.0, 3.0, 4.0, 5.0, 6.0} const %c3 = float32[3] {1.0, "
         "2.0, 3.0} "
         "const %c2 = float32[2] {2.0, 3.0} " +
         body + " output %y as \"y\" }";
}

TEST(Weights, FactorAfterConv) {
  check_pass(
      fold_into_weights,
      {{"without bias", net("%c = Conv(%x, %w) %y = Mul(%c, %f)"),
        net("const %v = float32[2, 2, 1, 1] {2.0, 4.0, 9.0, 12.0} %y = Conv(%x, %v)")},
       {"with bias", net("%c = Conv(%x, %w, %b) %y = Mul(%f, %c)"),
        net("const %v = float32[2, 2, 1, 1] {2.0, 4.0, 9.0, 12.0} const %d = float32[2] {2.0, -3.0}"
            " %y = Conv(%x, %v, %d)")},
       {"transposed", net("%c = ConvTranspose(%x, %w) %y = Mul(%c, %f)"),
        net("const %v = float32[2, 2, 1, 1] {2.0, 6.0, 6.0, 12.0} %y = ConvTranspose(%x, %v)")},
       {"half precision",
        "graph { input %x : float16[n, 1, 2, 2] const %w = float16[1, 1, 1, 1] {1.5} const %f ="
        " float16[] {2.0} %c = Conv(%x, %w) %y = Mul(%c, %f) output %y as \"y\" }",
        "graph { input %x : float16[n, 1, 2, 2] const %w = float16[1, 1, 1, 1] {3.0} %y = Conv(%x, "
        "%w)"
        " output %y as \"y\" }",
        1e-3}});
  check_pass(fold_into_weights,
             {{"used elsewhere", net("%c = Conv(%x, %w) %y = Mul(%c, %f) output %c as \"c\"")},
              {"a factor for each column",
               net("const %col = float32[5] splat 2.0 %c = Conv(%x, %w) %y = Mul(%c, %col)")},
              {"a factor that is no constant",
               net("input %z : float32[2, 1, 1] %c = Conv(%x, %w) %y = Mul(%c, %z)")},
              {"weights that are none",
               net("input %z : float32[2, 2, 1, 1] %c = Conv(%x, %z) %y = Mul(%c, %f)")}});
}

TEST(Weights, TermAfterConv) {
  check_pass(fold_into_weights, {{"new bias", net("%c = Conv(%x, %w) %y = Add(%c, %t)"),
                                  net("const %d = float32[2] {0.5, 0.25} %y = Conv(%x, %w, %d)")},
                                 {"old bias", net("%c = Conv(%x, %w, %b) %y = Add(%half, %c)"),
                                  net("const %d = float32[2] {1.5, -0.5} %y = Conv(%x, %w, %d)")}});
  check_pass(fold_into_weights,
             {{"a residual", net("%c = Conv(%x, %w) %y = Add(%c, %x)")},
              {"after a product", net("%c = MatMul(%m, %p) %y = Add(%c, %c3)")}});
}

TEST(Weights, Products) {
  check_pass(
      fold_into_weights,
      {{"factor after", net("%c = MatMul(%m, %p) %y = Mul(%c, %c3)"),
        net("const %v = float32[2, 3] {1.0, 4.0, 9.0, 4.0, 10.0, 18.0} %y = MatMul(%m, %v)")},
       {"factor past a bias", net("%c = MatMul(%m, %p) %a = Add(%c, %c3) %y = Mul(%a, %half)"),
        net("const %v = float32[2, 3] {0.5, 1.0, 1.5, 2.0, 2.5, 3.0} const %d = float32[3] {0.5, "
            "1.0, 1.5}"
            " %c = MatMul(%m, %v) %y = Add(%c, %d)")},
       {"factor before", net("%s = Mul(%m, %c2) %y = MatMul(%s, %p)"),
        net("const %v = float32[2, 3] {2.0, 4.0, 6.0, 12.0, 15.0, 18.0} %y = MatMul(%m, %v)")},
       {"factor before Conv", net("%s = Mul(%x, %f) %y = Conv(%s, %w) {pads=[1, 1, 1, 1]}"),
        net("const %v = float32[2, 2, 1, 1] {2.0, 6.0, 6.0, 12.0} %y = Conv(%x, %v) {pads=[1, 1, "
            "1, 1]}")},
       {"factor before groups",
        net("const %g = float32[4, 1, 1, 1] {1.0, 2.0, 3.0, 4.0} %s = Mul(%x, %f)"
            " %y = Conv(%s, %g) {group=2}"),
        net("const %g = float32[4, 1, 1, 1] {2.0, 4.0, 9.0, 12.0} %y = Conv(%x, %g) {group=2}")},
       {"factor before ConvTranspose", net("%s = Mul(%x, %f) %y = ConvTranspose(%s, %w)"),
        net("const %v = float32[2, 2, 1, 1] {2.0, 4.0, 9.0, 12.0} %y = ConvTranspose(%x, %v)")}});
  check_pass(
      fold_into_weights,
      {{"factors of rows", net("input %z : float32[3, 2] const %r = float32[3, 1] {1.0, 2.0, 3.0} "
                               "%s = Mul(%z, %r) %y = MatMul(%s, %p)")},
       {"used elsewhere", net("%s = Mul(%m, %c2) %y = MatMul(%s, %p) output %s as \"s\"")}});
}

TEST(Weights, Norms) {
  check_pass(fold_into_weights,
             {{"factor and term",
               net("%g = InstanceNormalization(%x, %c2, %b) %s = Mul(%g, %f)"
                   " %y = Add(%s, %t)"),
               net("const %s = float32[2] {4.0, 9.0} const %d = float32[2] {2.5, -2.75}"
                   " %y = InstanceNormalization(%x, %s, %d)")}});
  check_pass(fold_into_weights,
             {{"a residual", net("%g = InstanceNormalization(%x, %c2, %b) %y = Add(%g, %x)")}});
}

TEST(Weights, Pad) {
  const std::string pads = "const %pads = int64[8] {0, 0, 1, 0, 0, 0, 1, 2} ";
  check_pass(fold_into_weights,
             {{"zeros", net(pads + "%q = Pad(%x, %pads) %y = Conv(%q, %w) {pads=[0, 1, 0, 1]}"),
               net("%y = Conv(%x, %w) {pads=[1, 1, 1, 3]}")},
              {"VALID", net(pads + "%q = Pad(%x, %pads) %y = Conv(%q, %w) {auto_pad=\"VALID\"}"),
               net("%y = Conv(%x, %w) {pads=[1, 0, 1, 2]}")}});
  check_pass(
      fold_into_weights,
      {{"ones", net(pads + "const %v = float32[] {1.0} %q = Pad(%x, %pads, %v) %y = Conv(%q, %w)")},
       {"reflected", net(pads + "%q = Pad(%x, %pads) {mode=\"reflect\"} %y = Conv(%q, %w)")},
       {"channels", net("const %pc = int64[8] {0, 0, 0, 0, 0, 0, 0, 1} const %pz = int64[8] {0, "
                        "-1, 0, 0, 0, 1, 0, 0}"
                        " %q = Pad(%x, %pz) %y = Conv(%q, %w)")}});
}

TEST(Weights, Composites) {
  check_pass(
      passes::split_composites,
      {{"Gemm",
        net("const %g = float32[3, 2] {1.0, 2.0, 3.0, 4.0, 5.0, 6.0} %y = Gemm(%m, %g, %c3)"
            " {transB=1, alpha=0.5, beta=2.0}"),
        net("const %g = float32[3, 2] {1.0, 2.0, 3.0, 4.0, 5.0, 6.0} const %two = float32[] {2.0}"
            " %gt = Transpose(%g) {perm=[1, 0]} %s = Mul(%gt, %half) %z = MatMul(%m, %s) %d = "
            "Mul(%c3, %two)"
            " %y = Add(%z, %d)")},
       {"BatchNormalization",
        net("const %v = float32[2] {0.99999, 3.99999} %y = BatchNormalization(%x, %c2, %b, %b, "
            "%v)"),
        net("const %s = float32[2, 1, 1] {2.0, 1.5} const %d = float32[2, 1, 1] {-1.0, 0.5} %z = "
            "Mul(%x, %s)"
            " %y = Add(%z, %d)")}});
  check_pass(passes::split_composites,
             {{"integers",
               "graph { input %a : int32[n, 2] const %b = int32[2, 2] splat 1 %y = Gemm(%a, %b)"
               " output %y as \"y\" }"},
              {"statistics that are inputs",
               net("input %v : float32[2] %y = BatchNormalization(%x, %c2, %b, %b, %v)")}});
}

}  // namespace
}  // namespace planish::test
