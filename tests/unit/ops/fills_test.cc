// SPDX-License-Identifier: Apache-2.0
// Ops that make tensors from shapes, ranges and fills.
#include <gtest/gtest.h>

#include "support/op_case.h"
#include "tensor/elements.h"

namespace planish::test {
namespace {

constexpr auto kShape = ErrorCode::kInvalidShape;
constexpr auto kValue = ErrorCode::kInvalidValue;
constexpr double kMax = 9.2e18, kMin = -9.2e18;

// size: one table of cases
TEST(MovementOps, Fills) {
  check_cases({
      {"default", "ConstantOfShape", {}, {i64({2}, {1, 2})}, {f32({1, 2}, {0, 0})}},
      {"value", "ConstantOfShape", {{"value", i64({1}, {7})}}, {i64({1}, {2})}, {i64({2}, {7, 7})}},
      {"scalar",
       "ConstantOfShape",
       {{"value", tensor(DType::kI4, {1}, {-3})}},
       {i64({0}, {})},
       {tensor(DType::kI4, {}, {-3})}},
      {"negative", "ConstantOfShape", {}, {i64({1}, {-1})}, {}, kShape, "negative"},
      {"two values",
       "ConstantOfShape",
       {{"value", i64({2}, {7, 8})}},
       {i64({1}, {2})},
       {},
       ErrorCode::kInvalidModel,
       "one element"},
      {"terabytes",
       "ConstantOfShape",
       {},
       {i64({2}, {1e6, 1e6})},
       {},
       ErrorCode::kBudgetExceeded,
       "bytes of one value"},
      {"up", "Range", {}, {i64({}, {1}), i64({}, {8}), i64({}, {3})}, {i64({3}, {1, 4, 7})}},
      {"down", "Range", {}, {i32({}, {3}), i32({}, {0}), i32({}, {-1})}, {i32({3}, {3, 2, 1})}},
      {"floats",
       "Range",
       {},
       {f32({}, {0}), f32({}, {1}), f32({}, {0.4})},
       {f32({3}, {0, 0.4, 0.8})}},
      {"empty", "Range", {}, {i64({}, {3}), i64({}, {0}), i64({}, {1})}, {i64({0}, {})}},
      {"far apart",
       "Range",
       {},
       {i64({}, {kMin}), i64({}, {kMax}), i64({}, {kMax})},
       {i64({2}, {kMin, 0})}},
      {"no step",
       "Range",
       {},
       {i64({}, {3}), i64({}, {0}), i64({}, {0})},
       {},
       kValue,
       "delta is 0"},
      {"endless",
       "Range",
       {},
       {i64({}, {kMin}), i64({}, {kMax}), i64({}, {1})},
       {},
       kValue,
       "not finite"},
      {"NaN",
       "Range",
       {},
       {f32({}, {0}), f32({}, {std::nan("")}), f32({}, {1})},
       {},
       kValue,
       "not finite"},
      {"eye",
       "EyeLike",
       {{"k", int64_t{1}}, {"dtype", int64_t{7}}},
       {f32({2, 3}, {1, 1, 1, 1, 1, 1})},
       {i64({2, 3}, {0, 1, 0, 0, 0, 1})}},
      {"eye below",
       "EyeLike",
       {{"k", int64_t{-1}}},
       {i64({2, 2}, {1, 1, 1, 1})},
       {i64({2, 2}, {0, 0, 1, 0})}},
      {"eye far away", "EyeLike", {{"k", INT64_MIN}}, {i64({1, 1}, {1})}, {i64({1, 1}, {0})}},
      {"one hot",
       "OneHot",
       {},
       {i64({2}, {1, -1}), i64({}, {3}), f32({2}, {0, 1})},
       {f32({2, 3}, {0, 1, 0, 0, 0, 1})}},
      {"one hot first",
       "OneHot",
       {{"axis", int64_t{0}}},
       {i64({2}, {1, 5}), i64({1}, {2}), f32({2}, {2, 3})},
       {f32({2, 2}, {2, 2, 3, 2})}},
      {"negative depth",
       "OneHot",
       {},
       {i64({2}, {1, -1}), i64({}, {-3}), f32({2}, {0, 1})},
       {},
       kShape,
       "negative"},
  });
}

}  // namespace
}  // namespace planish::test
