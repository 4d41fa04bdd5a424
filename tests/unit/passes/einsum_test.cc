// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/str.h"
#include "passes/canonicalize/algebra.h"
#include "support/pass_case.h"

namespace planish::test {
namespace {

using passes::split_einsum;

std::string two(const std::string& a, const std::string& b, const std::string& body) {
  return concat("graph { input %a : float32", a, " input %b : float32", b, " ", body,
                " output %y as \"y\" }");
}
std::string einsum(const std::string& a, const std::string& b, const std::string& equation) {
  return two(a, b, concat("%y = Einsum(%a, %b) {equation=\"", equation, "\"}"));
}

TEST(Einsum, TwoOperands) {
  check_pass(
      split_einsum,
      {{"a matrix product", einsum("[n, 3]", "[3, m]", "ij,jk->ik"),
        two("[n, 3]", "[3, m]", "%y = MatMul(%a, %b)")},
       {"implicit output", einsum("[n, 3]", "[3, m]", "kj, ji"),
        two("[n, 3]", "[3, m]", "%p = MatMul(%a, %b) %y = Transpose(%p) {perm=[1, 0]}")},
       {"scores of attention", einsum("[b, l, 2, 3]", "[b, m, 2, 3]", "bihd,bjhd->bhij"),
        two("[b, l, 2, 3]", "[b, m, 2, 3]",
            "%p = Transpose(%a) {perm=[0, 2, 1, 3]} %q = Transpose(%b) {perm=[0, 2, 3, 1]} %y = "
            "MatMul(%p, %q)")},
       {"values of attention", einsum("[b, 2, l, m]", "[b, m, 2, 3]", "bhij,bjhd->bihd"),
        two("[b, 2, l, m]", "[b, m, 2, 3]",
            "%q = Transpose(%b) {perm=[0, 2, 1, 3]} %p = MatMul(%a, %q) %y = Transpose(%p) "
            "{perm=[0, 2, 1, 3]}")},
       {"ellipsis", einsum("[n, 2, 3]", "[3, 4]", "...ij,jk->...ik"),
        two("[n, 2, 3]", "[3, 4]", "%y = MatMul(%a, %b)")},
       {"two axes are summed", einsum("[n, 2, 3]", "[2, 3, 4]", "nij,ijk->nk"),
        two("[n, 2, 3]", "[2, 3, 4]",
            "const %s = int64[2] {-1, 6} const %t = int64[2] {6, 4} %f = Reshape(%a, %s)"
            " %g = Reshape(%b, %t) %y = MatMul(%f, %g)")},
       {"a dot product", einsum("[n, 3]", "[n, 3]", "ni,ni->n"),
        two("[n, 3]", "[n, 3]",
            "const %s = int64[3] {0, 1, 3} const %t = int64[3] {0, 3, 1} const %u = int64[1] {0}"
            " %f = Reshape(%a, %s) %g = Reshape(%b, %t) %p = MatMul(%f, %g) %y = Reshape(%p, %u)")},
       {"an outer product", einsum("[n]", "[m]", "i,j->ji"),
        two("[n]", "[m]",
            "const %z = int64[1] {0} const %o = int64[1] {1} %f = Unsqueeze(%a, %z)"
            " %g = Unsqueeze(%b, %o) %y = Mul(%f, %g)")},
       {"one operand is summed alone", einsum("[n, 3]", "[n]", "ij,i->i"),
        two("[n, 3]", "[n]",
            "const %o = int64[1] {1} %s = ReduceSum(%a, %o) {keepdims=0} %y = Mul(%s, %b)")}});
}

TEST(Einsum, OtherNumbersOfOperands) {
  check_pass(split_einsum,
             {{"one",
               "graph { input %a : float32[n, m, 3] %y = Einsum(%a) {equation=\"ijk->kj\"} output "
               "%y as \"y\" }",
               "graph { input %a : float32[n, m, 3] const %z = int64[1] {0} %s = ReduceSum(%a, %z) "
               "{keepdims=0}"
               " %y = Transpose(%s) {perm=[1, 0]} output %y as \"y\" }"},
              {"three",
               "graph { input %a : float32[n, 2] input %b : float32[2, 3] input %c : float32[3, m]"
               " %y = Einsum(%a, %b, %c) {equation=\"ij,jk,kl->il\"} output %y as \"y\" }",
               "graph { input %a : float32[n, 2] input %b : float32[2, 3] input %c : float32[3, m]"
               " %p = MatMul(%a, %b) %y = MatMul(%p, %c) output %y as \"y\" }"},
              {"three, the last two first",
               "graph { input %a : float32[50, 40] input %b : float32[40, 30] input %c : "
               "float32[30, 2]"
               " %y = Einsum(%a, %b, %c) {equation=\"ij,jk,kl->il\"} output %y as \"y\" }",
               "graph { input %a : float32[50, 40] input %b : float32[40, 30] input %c : "
               "float32[30, 2]"
               " %p = MatMul(%b, %c) %y = MatMul(%a, %p) output %y as \"y\" }"}});
}

TEST(Einsum, Refusals) {
  check_pass(split_einsum,
             {{"a diagonal",
               "graph { input %a : float32[3, 3] %y = Einsum(%a) {equation=\"ii->i\"} output %y as "
               "\"y\" }"},
              {"integers",
               "graph { input %a : int32[2, 3] %y = Einsum(%a) {equation=\"ij->ji\"} output %y as "
               "\"y\" }"},
              {"sizes that may broadcast", einsum("[n, k]", "[l, m]", "ij,jk->ik")},
              {"two sizes are not known", einsum("[b, n, k, 3]", "[b, 3, m]", "bijk,bkl->bijl")}});
}

}  // namespace
}  // namespace planish::test
