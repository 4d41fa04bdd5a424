// SPDX-License-Identifier: Apache-2.0
#include "plan/dim_text.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "unit/plan/plan_support.h"

namespace planish {
namespace {

using test::error_of;

const std::map<std::string, DimRange> kRanges = {
    {"a", {1, 1000}}, {"b", {1, 1000}}, {"c", {1, 1000}}};

Dim combine(int op, const Dim& x, const Dim& y) {
  switch (op) {
    case 0: return x + y;
    case 1: return x * y;
    case 2: return Dim::min(x, y);
    case 3: return Dim::max(x, y);
    case 4: return y == Dim(0) ? x : x.floor_div(y);
    default: return x - y;
  }
}

Dim any_dim(int depth) {
  if (depth == 0) {
    const int pick = *rc::gen::inRange(0, 6);
    if (pick < 3) return Dim::symbol(std::string(1, static_cast<char>('a' + pick)), {1, 1000});
    return Dim(*rc::gen::inRange(-5, 6));
  }
  const Dim x = any_dim(depth - 1), y = any_dim(depth - 1);
  return combine(*rc::gen::inRange(0, 6), x, y);
}

TEST(DimText, WhatIsStoredIsReadBack) {
  int stored = 0;
  rc::check([&] {
    const Dim dim = any_dim(3);
    if (dim.is_constant() || !plan::is_storable(dim)) return;
    ++stored;
    RC_ASSERT(plan::parse_dim(dim.to_string(), kRanges) == dim);
  });
  EXPECT_GT(stored, 10);
}

TEST(DimText, WhatIsNotCanonicalIsRefused) {
  for (const char* text : {"",
                           "a+",
                           "(a)",
                           "(a+b)*(a+b)",
                           "a*2",
                           "b+a",
                           "a+a",
                           "floor_div(a,1)",
                           "floor_div(a,0)",
                           "min(a,a)",
                           "max(b,a)",
                           "d",
                           " a",
                           "a ",
                           "a--b",
                           "2*floor_div(a+b,1)",
                           "min(a+b,a+b)*b",
                           "9223372036854775808",
                           "9223372036854775807*9223372036854775807*a",
                           "sin(a)",
                           "a(b)",
                           "\"a",
                           "a*b*"})
    EXPECT_EQ(error_of([&] { plan::parse_dim(text, kRanges); }).code(), ErrorCode::kInvalidPlan)
        << text;
}

TEST(DimText, LargeTextIsRefused) {
  std::string deep, wide = "a";
  for (int i = 0; i < 100; ++i) deep += "floor_div(";
  for (int i = 0; i < 2000; ++i) wide += "+a*" + std::to_string(i);
  for (const std::string& text : {deep, wide, std::string(1000, '-'), std::string(5000, 'a')})
    EXPECT_EQ(error_of([&] { plan::parse_dim(text, kRanges); }).code(), ErrorCode::kInvalidPlan);
}

}  // namespace
}  // namespace planish
