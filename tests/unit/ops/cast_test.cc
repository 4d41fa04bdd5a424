// SPDX-License-Identifier: Apache-2.0
// Cast and its kin.
#include <gtest/gtest.h>

#include <limits>

#include "support/op_case.h"
#include "tensor/elements.h"

namespace planish::test {
namespace {

constexpr auto kValue = ErrorCode::kInvalidValue;
constexpr auto kType = ErrorCode::kInvalidType;
using Ints = std::vector<int64_t>;

// size: one table of cases
TEST(CastOps, Cast) {
  const double inf = std::numeric_limits<double>::infinity();
  auto to = [](DType type) { return Attributes{{"to", static_cast<int64_t>(type)}}; };
  check_cases({
      {"truncates", "Cast", to(DType::kI64), {f32({3}, {1.7, -1.7, 0})}, {i64({3}, {1, -1, 0})}},
      {"wraps",
       "Cast",
       to(DType::kI8),
       {i64({2}, {200, -129})},
       {tensor(DType::kI8, {2}, {-56, 127})}},
      {"contents", "Cast", to(DType::kI32), {i64({2}, {3, -4})}, {i32({2}, {3, -4})}},
      {"bool",
       "Cast",
       to(DType::kBool),
       {f32({3}, {0, -0.5, std::nan("")})},
       {boolean({3}, {0, 1, 1})}},
      {"from bool",
       "Cast",
       to(DType::kF16),
       {boolean({2}, {0, 1})},
       {tensor(DType::kF16, {2}, {0, 1})}},
      {"saturates",
       "Cast",
       to(DType::kF8E4M3FN),
       {f32({2}, {1e6, -1e6})},
       {tensor(DType::kF8E4M3FN, {2}, {448, -448})}},
      {"does not saturate",
       "Cast",
       {{"to", static_cast<int64_t>(DType::kF8E5M2)}, {"saturate", int64_t{0}}},
       {f32({1}, {1e6})},
       {tensor(DType::kF8E5M2, {1}, {inf})}},
      {"half overflows",
       "Cast",
       to(DType::kF16),
       {f32({1}, {1e6})},
       {tensor(DType::kF16, {1}, {inf})}},
      {"to int4",
       "Cast",
       to(DType::kI4),
       {i64({3}, {-8, 7, 3})},
       {tensor(DType::kI4, {3}, {-8, 7, 3})}},
      {"from strings",
       "Cast",
       to(DType::kF32),
       {texts({5}, {"3.5", "-INF", "+inf", "NaN", " 1e-3 "})},
       {f32({5}, {3.5, -inf, inf, std::nan(""), 1e-3})}},
      {"huge strings",
       "Cast",
       to(DType::kF64),
       {texts({2}, {"1e999", "-1e-999"})},
       {tensor(DType::kF64, {2}, {inf, 0})}},
      {"integers from strings",
       "Cast",
       to(DType::kI64),
       {texts({2}, {"9007199254740993", "2.7"})},
       {Tensor::vector_i64(Ints{9007199254740993, 2})}},
      {"no number", "Cast", to(DType::kF32), {texts({1}, {"hello"})}, {}, kValue, "\"hello\""},
      {"to strings",
       "Cast",
       to(DType::kString),
       {f32({5}, {0.1, 1, -1e20, inf, 1e-5})},
       {texts({5}, {"0.1", "1.0", "-1e+20", "inf", "1e-05"})}},
      {"half to strings",
       "Cast",
       to(DType::kString),
       {tensor(DType::kF16, {2}, {0.1, 1000})},
       {texts({2}, {"0.1", "1000.0"})}},
      {"integers to strings",
       "Cast",
       to(DType::kString),
       {i64({2}, {-3, 12})},
       {texts({2}, {"-3", "12"})}},
      {"like", "CastLike", {}, {i64({1}, {3}), f32({0}, {})}, {f32({1}, {3})}},
      {"no such type",
       "Cast",
       {{"to", int64_t{99}}},
       {i64({1}, {3})},
       {},
       ErrorCode::kInvalidModel,
       "99"},
      {"bits", "BitCast", to(DType::kI32), {f32({1}, {1})}, {i32({1}, {0x3f800000})}},
      {"other width", "BitCast", to(DType::kI64), {f32({1}, {1})}, {}, kType, "32 bits"},
  });
}

}  // namespace
}  // namespace planish::test
