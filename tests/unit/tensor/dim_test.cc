// SPDX-License-Identifier: Apache-2.0
#include "tensor/dim.h"

#include <gtest/gtest.h>

#include "planish/error.h"

namespace planish {
namespace {

const Dim n = Dim::symbol("n"), m = Dim::symbol("m"), h = Dim::symbol("h", {1, 4096});

TEST(Dim, SumsAndProductsAreCanonical) {
  EXPECT_EQ(n + m, m + n);
  EXPECT_EQ((n + 1) * (n + 1), n * n + n * 2 + 1);
  EXPECT_EQ((n * 4 + 6).floor_div(2), n * 2 + 3);
  EXPECT_EQ(n - n, Dim(0));
  EXPECT_FALSE(n == m);
  EXPECT_EQ((n * m * 6 + n * 2).to_string(), "6*m*n+2*n");
}

TEST(Dim, DivisionRoundsDown) {
  EXPECT_EQ(Dim(-7).floor_div(2), Dim(-4));
  EXPECT_EQ(Dim(7).ceil_div(2), Dim(4));
  EXPECT_EQ(Dim(-7).mod(4), Dim(1));
  // Two strides of 2 are one of 4.
  const Dim once = (h - 1).floor_div(2) + 1;
  EXPECT_EQ((once - 1).floor_div(2) + 1, (h - 1).floor_div(4) + 1);
  EXPECT_THROW(n.floor_div(0), Error);
}

TEST(Dim, ExactQuotients) {
  EXPECT_EQ(Dim::exact_div(n * m * 6, n * 2), m * 3);
  EXPECT_EQ(Dim::exact_div((n + 1) * (m + 2), n + 1), m + 2);
  EXPECT_EQ(Dim::exact_div(n * 3, Dim(2)), std::nullopt);
  EXPECT_EQ(Dim::exact_div(n + 1, n), std::nullopt);
}

TEST(Dim, RangesDecideMinAndMax) {
  EXPECT_EQ(Dim::max(h, 1), h);
  EXPECT_EQ(Dim::min(h, 5000), h);
  EXPECT_EQ(Dim::max(h, 2).range(), (DimRange{2, 4096}));
  EXPECT_TRUE(Dim::differs(h, h + 1));
  EXPECT_FALSE(Dim::differs(h, n));
  EXPECT_EQ((h + 4095).floor_div(8192), Dim(0));
}

TEST(Dim, EvaluatesUnderBindings) {
  const Dim d = (h - 1).floor_div(2) * n + Dim::max(n, m);
  const auto lookup = [](const std::string& name) -> std::optional<int64_t> {
    if (name == "h") return 10;
    if (name == "n") return 3;
    if (name == "m") return 7;
    return std::nullopt;
  };
  EXPECT_EQ(d.evaluate(lookup), 4 * 3 + 7);
  EXPECT_EQ(Dim::symbol("unbound").evaluate(lookup), std::nullopt);
  EXPECT_EQ((Dim(INT64_MAX) - Dim(1) + Dim::symbol("m")).evaluate(lookup), std::nullopt);
}

TEST(Dim, TextRoundTrips) {
  for (const Dim& d : {Dim(3), n, (h - 1).floor_div(2) * 3 - m, Dim::max(n, m + 1),
                       Dim::symbol("batch size") * 2, Dim::symbol("a\"b") - 1}) {
    EXPECT_EQ(Dim::parse(d.to_string()), d) << d.to_string();
  }
  for (const char* bad :
       {"", "n+", "min(n", "n m", "9999999999999999999999", "\"open", "floor_div(n,0)"})
    EXPECT_THROW(Dim::parse(bad), Error) << bad;
  EXPECT_THROW(Dim::parse(std::string(10000, '(')), Error);
}

TEST(Dim, OverflowIsAnError) {
  EXPECT_THROW(Dim(INT64_MAX) + Dim(1), Error);
  EXPECT_THROW(n * Dim(INT64_MAX) * Dim(2), Error);
}

}  // namespace
}  // namespace planish
