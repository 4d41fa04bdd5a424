// SPDX-License-Identifier: Apache-2.0
#include "ir/matcher.h"

#include <gtest/gtest.h>

#include "ir/text.h"

namespace planish::ir {
namespace {

enum : int { kA, kB };

Node& last(Graph& g) { return *g.nodes().back(); }

TEST(Matcher, TriesBothOrders) {
  const auto g =
      parse("graph { input %x : float32[2] %s = Sigmoid(%x) %y = Mul(%s, %x) output %y as \"y\" }");
  Match m;
  EXPECT_TRUE(match(commutative("Mul", var(kA), op("Sigmoid", {var(kA)})), last(*g), m));
  EXPECT_EQ(m[kA], g->inputs()[0]);
  EXPECT_EQ(m.nodes().size(), 2U);
  EXPECT_FALSE(match(op("Mul", {var(kA), op("Sigmoid", {var(kA)})}), last(*g), m));
}

// The first order of the inner node fits alone, but not together with the outer operand.
TEST(Matcher, GoesBack) {
  const auto g = parse(
      "graph { input %x : float32[2] input %z : float32[2] %a = Add(%x, %z) %y = Mul(%a, %z) "
      "output %y as \"y\" }");
  Match m;
  EXPECT_TRUE(
      match(commutative("Mul", commutative("Add", var(kA), var(kB)), var(kA)), last(*g), m));
  EXPECT_EQ(m[kA]->name(), "z");
  EXPECT_EQ(m[kB]->name(), "x");
  EXPECT_FALSE(match(commutative("Mul", op("Add", {var(kA), var(kB)}), var(kA)), last(*g), m));
}

TEST(Matcher, AlternativesTestsAndAbsentInputs) {
  const auto g = parse(
      "graph { input %x : float32[2] const %b = float32[] {1.0} %y = Clip(%x, _, %b) output %y as "
      "\"y\" }");
  Match m;
  const Pattern bound = any().where([](const Value& v) { return v.is_constant(); }).as(kB);
  EXPECT_TRUE(match(op("Clip", {any(), absent(), bound}), last(*g), m));
  EXPECT_EQ(m[kB]->name(), "b");
  EXPECT_TRUE(
      match(either({op("Relu", {any()}), op("Clip", {var(kA), absent(), any()})}), last(*g), m));
  EXPECT_EQ(m[kA]->name(), "x");
  EXPECT_FALSE(match(op("Clip", {any(), any(), any()}), last(*g), m));
  EXPECT_FALSE(match(op("Clip", {any(), absent()}), last(*g), m));
}

TEST(Matcher, ClosedMatchesHaveNoOtherUsers) {
  const auto g =
      parse("graph { input %x : float32[2] %e = Exp(%x) %y = Neg(%e) output %y as \"y\" }");
  const auto open = parse(
      "graph { input %x : float32[2] %e = Exp(%x) %y = Neg(%e) output %y as \"y\" output %e as "
      "\"e\" }");
  Match m;
  const Pattern pattern = op("Neg", {op("Exp", {any()})});
  ASSERT_TRUE(match(pattern, last(*g), m));
  EXPECT_TRUE(m.is_closed());
  ASSERT_TRUE(match(pattern, last(*open), m));
  EXPECT_FALSE(m.is_closed());
}

}  // namespace
}  // namespace planish::ir
