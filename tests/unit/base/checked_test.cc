// SPDX-License-Identifier: Apache-2.0
#include "base/checked.h"

#include <gtest/gtest.h>

#include <array>

namespace planish {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

template <typename F>
ErrorCode code_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kOk;
}

TEST(Checked, SumsAndProductsAtTheEdge) {
  EXPECT_EQ(checked_add<int64_t>(kMax - 1, 1, "size"), kMax);
  EXPECT_EQ(code_of([] { checked_add<int64_t>(kMax, 1, "size"); }), ErrorCode::kInvalidShape);
  EXPECT_EQ(code_of([] { checked_sub<uint64_t>(1, 2, "size"); }), ErrorCode::kInvalidShape);
  EXPECT_EQ(code_of([] {
              checked_mul<int64_t>(int64_t{1} << 32, int64_t{1} << 31, "bytes",
                                   ErrorCode::kBudgetExceeded);
            }),
            ErrorCode::kBudgetExceeded);
  EXPECT_EQ(checked_mul<int64_t>(int64_t{1} << 31, int64_t{1} << 31, "bytes"), int64_t{1} << 62);
}

TEST(Checked, MessageNamesTheQuantityAndTheNumbers) {
  try {
    checked_mul<int64_t>(kMax, 3, "row length");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "row length: 9223372036854775807 * 3 does not fit its type");
  }
}

TEST(Checked, ElementCount) {
  EXPECT_EQ(checked_element_count({}, "x"), 1);
  EXPECT_EQ(checked_element_count(std::array<int64_t, 3>{2, 3, 4}, "x"), 24);
  EXPECT_EQ(checked_element_count(std::array<int64_t, 3>{kMax, kMax, 0}, "x"), 0);
  EXPECT_EQ(code_of([] {
              checked_element_count(std::array<int64_t, 2>{0, -1}, "x");
            }),
            ErrorCode::kInvalidShape);
  EXPECT_EQ(code_of([] {
              checked_element_count(std::array<int64_t, 2>{kMax, 2}, "x");
            }),
            ErrorCode::kInvalidShape);
}

TEST(Checked, BytesRoundUpSubByteTypes) {
  EXPECT_EQ(checked_bytes(3, 4, "x"), 2u);
  EXPECT_EQ(checked_bytes(0, 32, "x"), 0u);
  EXPECT_EQ(checked_bytes(kMax, 8, "x"), static_cast<uint64_t>(kMax));
  EXPECT_EQ(code_of([] { checked_bytes(kMax, 16, "x"); }), ErrorCode::kInvalidShape);
  EXPECT_EQ(code_of([] { checked_bytes(-1, 8, "x"); }), ErrorCode::kInvalidShape);
}

TEST(Checked, CastAlignRangeBudget) {
  EXPECT_EQ(checked_cast<int32_t>(int64_t{-5}, "x"), -5);
  EXPECT_EQ(code_of([] { checked_cast<uint32_t>(int64_t{-5}, "x"); }), ErrorCode::kInvalidShape);
  EXPECT_EQ(checked_align_up(65, 64, "x"), 128u);
  EXPECT_EQ(code_of([] { checked_align_up(65, 48, "x"); }), ErrorCode::kInternal);
  EXPECT_EQ(code_of([] { checked_align_up(~uint64_t{0}, 64, "x"); }), ErrorCode::kInvalidShape);
  EXPECT_TRUE(range_within(4, 0, 4));
  EXPECT_FALSE(range_within(5, ~uint64_t{0}, 10));
  EXPECT_EQ(code_of([] { check_budget(11, 10, "folded bytes", "--max-folded-bytes"); }),
            ErrorCode::kBudgetExceeded);
}

}  // namespace
}  // namespace planish
