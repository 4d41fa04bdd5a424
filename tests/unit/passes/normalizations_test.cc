// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/str.h"
#include "passes/canonicalize/recognize.h"
#include "support/pass_case.h"

namespace planish::test {
namespace {

using passes::recognize_normalizations;

std::string net(const std::string& body) {
  return concat(R"(graph {
    input %x : float32[n, 3, 4]
    const %eps = float32[] {1e-5}
    const %two = float32[] {2.0}
    const %one = float32[] {1.0}
    const %last = int64[1] {-1}
    const %middle = int64[1] {1}
    const %both = int64[2] {1, 2}
    const %s = float32[4] {1.0, 2.0, 3.0, -1.0}
    const %b = float32[4] {0.5, 0.0, 1.0, 2.0}
    const %s3 = float32[1, 1, 4] {1.0, 2.0, 3.0, -1.0}
    const %ones = float32[4] splat 1.0
    const %plane = float32[3, 4] splat 1.0
)",
                body, "\n output %y as \"y\"\n}");
}

const std::string kMean = "%m = ReduceMean(%x, %last) %d = Sub(%x, %m) ";
const std::string kVariance =
    "%q = Mul(%d, %d) %v = ReduceMean(%q, %last) %e = Add(%v, %eps) %r = Sqrt(%e) ";
const std::string kCore = kMean + kVariance + "%n = Div(%d, %r) ";

TEST(Normalizations, LayerNormalization) {
  const std::string bare = net("%y = LayerNormalization(%x, %ones) {axis=2, epsilon=1e-5}");
  check_pass(
      recognize_normalizations,
      {{"torch's way",
        net(kMean +
            "%p = Pow(%d, %two) %v = ReduceMean(%p, %last) %e = Add(%v, %eps) %r = Sqrt(%e) "
            "%n = Div(%d, %r) %w = Mul(%n, %s) %y = Add(%w, %b)"),
        net("%y = LayerNormalization(%x, %s, %b) {axis=2, epsilon=1e-5}")},
       {"operands turned", net(kCore + "%w = Mul(%s, %n) %y = Add(%b, %w)"),
        net("%y = LayerNormalization(%x, %s, %b) {axis=2, epsilon=1e-5}")},
       {"scale of rank 3", net(kCore + "%y = Mul(%n, %s3)"),
        net("%y = LayerNormalization(%x, %s) {axis=2, epsilon=1e-5}")},
       {"no affine part", net(kMean + kVariance + "%y = Div(%d, %r)"), bare},
       {"by the inverse", net(kMean + kVariance + "%i = Reciprocal(%r) %y = Mul(%i, %d)"), bare},
       {"by a quotient", net(kMean + kVariance + "%i = Div(%one, %r) %y = Mul(%d, %i)"), bare},
       {"two axes",
        net("%m = ReduceMean(%x, %both) %d = Sub(%x, %m) %q = Mul(%d, %d) %v = ReduceMean(%q, "
            "%both)"
            " %e = Add(%eps, %v) %r = Sqrt(%e) %y = Div(%d, %r)"),
        net("%y = LayerNormalization(%x, %plane) {axis=1, epsilon=1e-5}")},
       {"TensorFlow's way",
        net(kMean + kVariance +
            "%i = Reciprocal(%r) %g = Mul(%i, %s) %xg = Mul(%x, %g)"
            " %mg = Mul(%m, %g) %t = Sub(%b, %mg) %y = Add(%xg, %t)"),
        net("%y = LayerNormalization(%x, %s, %b) {axis=2, epsilon=1e-5}")}});
}

TEST(Normalizations, NoLayerNormalization) {
  check_pass(
      recognize_normalizations,
      {{"another axis", net("%m = ReduceMean(%x, %middle) %d = Sub(%x, %m) %q = Mul(%d, %d) %v = "
                            "ReduceMean(%q, %middle)"
                            " %e = Add(%v, %eps) %r = Sqrt(%e) %y = Div(%d, %r)")},
       {"variance used elsewhere", net(kMean + kVariance + "%y = Div(%d, %r) output %v as \"v\"")},
       {"dims dropped",
        net("const %first = int64[1] {0} const %axis0 = int64[1] {0} input %w : float32[1, 4] %k = "
            "Squeeze(%w, %axis0) %m = ReduceMean(%k, %first) {keepdims=0} %d = Sub(%k, %m)"
            " %q = Mul(%d, %d) %v = ReduceMean(%q, %first) {keepdims=0} %e = Add(%v, %eps)"
            " %r = Sqrt(%e) %y = Div(%d, %r)")}});
}

TEST(Normalizations, AffinePartStays) {
  check_pass(
      recognize_normalizations,
      {{"a residual is no bias",
        net("input %res : float32[n, 3, 4] %l = LayerNormalization(%x, %s) %y = Add(%l, %res)")},
       {"a second bias", net("%l = LayerNormalization(%x, %s, %b) %y = Add(%l, %b)")},
       {"a second scale", net("%l = LayerNormalization(%x, %s) %y = Mul(%l, %s)")},
       {"used elsewhere",
        net("%l = LayerNormalization(%x, %s) %y = Add(%l, %b) output %l as \"l\"")}});
}

TEST(Normalizations, RmsNormalization) {
  const std::string core =
      "%q = Mul(%x, %x) %v = ReduceMean(%q, %last) %e = Add(%v, %eps) %r = Sqrt(%e) ";
  check_pass(recognize_normalizations,
             {{"Llama's way",
               net("%q = Pow(%x, %two) %v = ReduceMean(%q, %last) %e = Add(%v, %eps) %r = Sqrt(%e)"
                   " %i = Reciprocal(%r) %n = Mul(%x, %i) %y = Mul(%s, %n)"),
               net("%y = RMSNormalization(%x, %s) {axis=2, epsilon=1e-5}")},
              {"divided", net(core + "%y = Div(%x, %r)"),
               net("%y = RMSNormalization(%x, %ones) {axis=2, epsilon=1e-5}")}});
  check_pass(recognize_normalizations,
             {{"another x", net("input %z : float32[n, 3, 4] " + core + "%y = Div(%z, %r)")},
              {"used elsewhere", net(core + "%y = Div(%x, %r) output %r as \"r\"")}});
}

TEST(Normalizations, Softmax) {
  const std::string core = "%m = ReduceMax(%x, %middle) %d = Sub(%x, %m) %e = Exp(%d) ";
  check_pass(recognize_normalizations,
             {{"divided", net(core + "%t = ReduceSum(%e, %middle) %y = Div(%e, %t)"),
               net("%y = Softmax(%x) {axis=1}")},
              {"by the inverse",
               net(core + "%t = ReduceSum(%e, %middle) %i = Reciprocal(%t) %y = Mul(%i, %e)"),
               net("%y = Softmax(%x) {axis=1}")}});
  check_pass(recognize_normalizations,
             {{"two axes", net(core + "%t = ReduceSum(%e, %last) %y = Div(%e, %t)")},
              {"may overflow", net("%e = Exp(%x) %t = ReduceSum(%e, %last) %y = Div(%e, %t)")}});
}

TEST(Normalizations, GroupNormalization) {
  const std::string before = R"(graph { input %x : float32[n, 4, h, w]
    const %g = int64[3] {0, 2, -1} const %s = float32[2] {2.0, 3.0} const %b = float32[2] {0.5, 1.0}
    %r = Reshape(%x, %g) %i = InstanceNormalization(%r, %s, %b) {epsilon=1e-3} %t = Shape(%x) %y = Reshape(%i, %t)
    output %y as "y" })";
  check_pass(recognize_normalizations,
             {{"torch's way", before, R"(graph { input %x : float32[n, 4, h, w]
    const %s = float32[4] {2.0, 2.0, 3.0, 3.0} const %b = float32[4] {0.5, 0.5, 1.0, 1.0}
    %y = GroupNormalization(%x, %s, %b) {num_groups=2, epsilon=1e-3} output %y as "y" })"}});
  check_pass(recognize_normalizations, {{"another shape", R"(graph { input %x : float32[n, 4, h, w]
    const %g = int64[3] {0, 2, -1} const %s = float32[2] {2.0, 3.0} const %b = float32[2] {0.5, 1.0}
    const %flat = int64[2] {0, -1}
    %r = Reshape(%x, %g) %i = InstanceNormalization(%r, %s, %b) %y = Reshape(%i, %flat) output %y as "y" })"}});
}

}  // namespace
}  // namespace planish::test
