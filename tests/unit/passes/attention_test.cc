// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/str.h"
#include "passes/canonicalize/recognize.h"
#include "passes/layout/heads.h"
#include "support/pass_case.h"

namespace planish::test {
namespace {

using passes::recognize_attention;

// Queries, keys and values as projections give them: [batch, length, heads, size].
std::string net(const std::string& body) {
  return concat(R"(graph {
    input %q0 : float32[b, l, 2, 4]
    input %k0 : float32[b, m, 2, 4]
    input %v0 : float32[b, m, 2, 5]
    input %mask : float32[b, 1, 1, m]
    input %allowed : bool[b, 1, l, m]
    const %c = float32[] {0.5}
    const %root = float32[] {0.70710677}
    const %two = float32[1] {2.0}
    const %zero = float32[] {0.0}
    const %never = float32[] {-inf}
    const %low = float32[] {-10.0}
    %q = Transpose(%q0) {perm=[0, 2, 1, 3]}
    %kt = Transpose(%k0) {perm=[0, 2, 3, 1]}
    %v = Transpose(%v0) {perm=[0, 2, 1, 3]}
)",
                body, "\n output %y as \"y\"\n}");
}
std::string attention(const std::string& mask, const std::string& scale,
                      const std::string& before = "") {
  return net(concat("%k = Transpose(%kt) {perm=[0, 1, 3, 2]} ", before,
                    " %y = Attention(%q, %k, %v", mask, ") {scale=", scale, "}"));
}

TEST(Attention, Spellings) {
  check_pass(
      recognize_attention,
      {{"bare", net("%s = MatMul(%q, %kt) %p = Softmax(%s) {axis=3} %y = MatMul(%p, %v)"),
        attention("", "1.0")},
       {"scaled scores",
        net("%s = MatMul(%q, %kt) %t = Mul(%s, %c) %p = Softmax(%t) %y = MatMul(%p, %v)"),
        attention("", "0.5")},
       {"divided scores",
        net("%s = MatMul(%q, %kt) %t = Div(%s, %two) %p = Softmax(%t) %y = MatMul(%p, %v)"),
        attention("", "0.5")},
       {"scaled queries",
        net("%qs = Mul(%c, %q) %s = MatMul(%qs, %kt) %p = Softmax(%s) %y = MatMul(%p, %v)"),
        attention("", "0.5")},
       {"both scaled",
        net("%qs = Mul(%q, %root) %ks = Mul(%kt, %root) %s = MatMul(%qs, %ks) %p = Softmax(%s)"
            " %y = MatMul(%p, %v)"),
        attention("", "0.49999998")},
       {"added mask",
        net("%s = MatMul(%q, %kt) %t = Mul(%s, %c) %a = Add(%mask, %t) %p = Softmax(%a)"
            " %y = MatMul(%p, %v)"),
        attention(", %mask", "0.5")},
       {"Where",
        net("%s = MatMul(%q, %kt) %a = Where(%allowed, %s, %never) %p = Softmax(%a) %y = "
            "MatMul(%p, %v)"),
        attention(", %w", "1.0", "%w = Where(%allowed, %zero, %never)"),
        1e-5,
        {},
        false},
       {"two masks",
        net("%s = MatMul(%q, %kt) %a = Add(%s, %mask) %w = Where(%allowed, %a, %never)"
            " %g = Softmax(%w) %y = MatMul(%g, %v)"),
        attention(", %sum", "1.0", "%w = Where(%allowed, %zero, %never) %sum = Add(%mask, %w)"),
        1e-5,
        {},
        false},
       {"guarded",
        net("%s = MatMul(%q, %kt) %a = Add(%s, %mask) %p = Softmax(%a) %n = IsNaN(%p)"
            " %g = Where(%n, %zero, %p) %y = MatMul(%g, %v)"),
        attention(", %mask", "1.0")}});
}

TEST(Attention, Rank3) {
  check_pass(recognize_attention, {{"one head", R"(graph {
    input %q : float32[b, l, 4] input %k : float32[b, m, 4] input %v : float32[b, m, 5] input %mask : float32[b, l, m]
    %kt = Transpose(%k) {perm=[0, 2, 1]} %s = MatMul(%q, %kt) %a = Add(%s, %mask) %p = Softmax(%a)
    %y = MatMul(%p, %v) output %y as "y" })",
                                    R"(graph {
    input %q : float32[b, l, 4] input %k : float32[b, m, 4] input %v : float32[b, m, 5] input %mask : float32[b, l, m]
    const %one = int64[1] {1} %kt = Transpose(%k) {perm=[0, 2, 1]} %kb = Transpose(%kt) {perm=[0, 2, 1]}
    %q4 = Unsqueeze(%q, %one) %k4 = Unsqueeze(%kb, %one) %v4 = Unsqueeze(%v, %one) %m4 = Unsqueeze(%mask, %one)
    %z = Attention(%q4, %k4, %v4, %m4) {scale=1.0} %y = Squeeze(%z, %one) output %y as "y" })"}});
}

// The mask's length is a symbol of its own, as in models with a cache.
TEST(Attention, MaskOfAnotherLength) {
  const std::string inputs =
      R"(graph { input %q : float32[b, 2, l, 4] input %k : float32[b, 2, m, 4]
      input %v : float32[b, 2, m, 4] input %mask : float32[b, 1, 1, t] )";
  const std::string before =
      inputs + R"(%kt = Transpose(%k) {perm=[0, 1, 3, 2]} %s = MatMul(%q, %kt)
      %a = Add(%s, %mask) %p = Softmax(%a) %y = MatMul(%p, %v) output %y as "y" })";
  const std::string after = inputs + R"(%kt = Transpose(%k) {perm=[0, 1, 3, 2]}
      %kb = Transpose(%kt) {perm=[0, 1, 3, 2]} %n = Shape(%kt) {start=3} %w = Expand(%mask, %n)
      %o = Shape(%mask) {end=3} %c = Concat(%o, %n) {axis=0} %r = Reshape(%w, %c)
      %y = Attention(%q, %kb, %v, %r) {scale=1.0} output %y as "y" })";
  check_pass(recognize_attention,
             {{"equal", before, after, 1e-5, {{{"m", 5}, {"t", 5}}, {{"m", 3}, {"t", 3}}}},
              {"broadcast", before, after, 1e-5, {{{"m", 5}, {"t", 1}}, {{"m", 1}, {"t", 1}}}}});
}

// Windows of an image: the batch is split for a mask of each window.
TEST(Attention, Windows) {
  const std::string inputs =
      R"(graph { input %q : float32[4*b, 2, 3, 5] input %k : float32[4*b, 2, 3, 5]
      input %v : float32[4*b, 2, 3, 5] input %m : float32[1, 4, 1, 3, 3] const %bias = float32[1, 2, 3, 3] splat 0.5
      const %apart = int64[5] {-1, 4, 2, 3, 3} const %whole = int64[4] {-1, 2, 3, 3} )";
  const std::string scores = "%kt = Transpose(%k) {perm=[0, 1, 3, 2]} ";
  check_pass(
      recognize_attention,
      {{"shifted", inputs + scores + R"(%s = MatMul(%q, %kt) %sb = Add(%s, %bias)
      %r = Reshape(%sb, %apart) %a = Add(%r, %m) %w = Reshape(%a, %whole) %p = Softmax(%w) %y = MatMul(%p, %v)
      output %y as "y" })",
        inputs + scores + R"(%s = MatMul(%q, %kt) %sb = Add(%s, %bias) %r = Reshape(%sb, %apart)
      %n = Shape(%r) {end=2} const %ones = int64[3] {1, 1, 1} %t = Concat(%n, %ones) {axis=0} %e = Expand(%m, %t)
      const %j = int64[4] {-1, 1, 3, 3} %w = Reshape(%e, %j) %sum = Add(%bias, %w)
      %kb = Transpose(%kt) {perm=[0, 1, 3, 2]} %y = Attention(%q, %kb, %v, %sum) {scale=1.0} output %y as "y" })"}});
}

TEST(Attention, SharedHeads) {
  const std::string head = R"(graph { input %q : float32[b, 4, l, 3] input %k : float32[b, 2, m, 3]
      input %v : float32[b, 2, m, 3] const %a = int64[1] {2} const %s = int64[5] {1, 1, 2, 1, 1}
      const %j = int64[4] {0, 4, -1, 3} )";
  check_pass(recognize_attention,
             {{"repeated", head + R"(%ku = Unsqueeze(%k, %a) %ke = Expand(%ku, %s)
      %kr = Reshape(%ke, %j) %vu = Unsqueeze(%v, %a) %ve = Expand(%vu, %s) %vr = Reshape(%ve, %j)
      %y = Attention(%q, %kr, %vr) {scale=0.5} output %y as "y" })",
               head + R"(%ku = Unsqueeze(%k, %a)
      %ks = Squeeze(%ku, %a) %vu = Unsqueeze(%v, %a) %vs = Squeeze(%vu, %a)
      %y = Attention(%q, %ks, %vs) {scale=0.5} output %y as "y" })"}});
  check_pass(recognize_attention, {{"values of their own", R"(graph { input %q : float32[b, 4, l, 3]
      input %k : float32[b, 2, m, 3] input %v : float32[b, 4, m, 3] const %a = int64[1] {2}
      const %s = int64[5] {1, 1, 2, 1, 1} const %j = int64[4] {0, 4, -1, 3} %ku = Unsqueeze(%k, %a)
      %ke = Expand(%ku, %s) %kr = Reshape(%ke, %j) %y = Attention(%q, %kr, %v) {scale=0.5} output %y as "y" })"}});
}

TEST(Attention, PackedHeads) {
  const std::string inputs =
      R"(graph { input %q0 : float32[b, l, 4, 3] input %k0 : float32[b, m, 2, 3]
      input %v0 : float32[b, m, 2, 5] input %mask : float32[b, 1, 1, m] )";
  const std::string turned =
      R"(%q = Transpose(%q0) {perm=[0, 2, 1, 3]} %k = Transpose(%k0) {perm=[0, 2, 1, 3]}
      %v = Transpose(%v0) {perm=[0, 2, 1, 3]} %a = Attention(%q, %k, %v, %mask) {scale=0.5} )";
  check_pass(passes::pack_heads,
             {{"all turned", inputs + turned + R"(%y = Transpose(%a) {perm=[0, 2, 1, 3]}
      output %y as "y" })",
               inputs + R"(const %qs = int64[3] {0, 0, 12} const %ks = int64[3] {0, 0, 6}
      const %vs = int64[3] {0, 0, 10} const %ys = int64[4] {0, 0, 4, 5} %q = Reshape(%q0, %qs)
      %k = Reshape(%k0, %ks) %v = Reshape(%v0, %vs)
      %a = Attention(%q, %k, %v, %mask) {scale=0.5, q_num_heads=4, kv_num_heads=2} %y = Reshape(%a, %ys)
      output %y as "y" })"}});
  check_pass(passes::pack_heads,
             {{"result not turned", inputs + turned + "output %a as \"y\" }"},
              {"result used elsewhere", inputs + turned + R"(%y = Transpose(%a) {perm=[0, 2, 1, 3]}
      output %y as "y" output %a as "a" })"},
              {"keys from a cache",
               R"(graph { input %q0 : float32[b, l, 4, 3] input %k : float32[b, 2, m, 3]
      input %v : float32[b, 2, m, 5] %q = Transpose(%q0) {perm=[0, 2, 1, 3]} %a = Attention(%q, %k, %v) {scale=0.5}
      %y = Transpose(%a) {perm=[0, 2, 1, 3]} output %y as "y" })"}});
}

TEST(Attention, Refusals) {
  check_pass(
      recognize_attention,
      {{"another axis", net("%s = MatMul(%q, %kt) %p = Softmax(%s) {axis=2} %y = MatMul(%p, %v)")},
       {"scores used elsewhere",
        net("%s = MatMul(%q, %kt) %p = Softmax(%s) %y = MatMul(%p, %v) output %s as \"s\"")},
       {"weights used elsewhere",
        net("%s = MatMul(%q, %kt) %p = Softmax(%s) %y = MatMul(%p, %v) output %p as \"p\"")},
       {"mask below the factor",
        net("%s = MatMul(%q, %kt) %a = Add(%s, %mask) %t = Mul(%a, %c) %p = Softmax(%t)"
            " %y = MatMul(%p, %v)")},
       {"a fill that leaves something",
        net("%s = MatMul(%q, %kt) %a = Where(%allowed, %s, %low) %p = Softmax(%a)"
            " %y = MatMul(%p, %v)")},
       {"a mask of one column",
        net("input %column : float32[b, 1, l, 1] %s = MatMul(%q, %kt) %a = Add(%s, %column)"
            " %p = Softmax(%a) %y = MatMul(%p, %v)")},
       {"keys lie otherwise",
        R"(graph { input %q : float32[b, 2, l, 4] input %k : float32[b, 2, 4, m]
         input %v : float32[b, 2, m, 4] %s = MatMul(%q, %k) %p = Softmax(%s) %y = MatMul(%p, %v) output %y as "y" })"},
       {"shared heads", R"(graph { input %q : float32[b, 2, l, 4] input %k : float32[b, 1, m, 4]
         input %v : float32[b, 1, m, 4] %kt = Transpose(%k) {perm=[0, 1, 3, 2]} %s = MatMul(%q, %kt) %p = Softmax(%s)
         %y = MatMul(%p, %v) output %y as "y" })"}});
}

}  // namespace
}  // namespace planish::test
