// SPDX-License-Identifier: Apache-2.0
// QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear.
#include <gtest/gtest.h>

#include <cmath>

#include "support/op_case.h"

namespace planish::test {
namespace {

constexpr auto kShape = ErrorCode::kInvalidShape;
constexpr auto kType = ErrorCode::kInvalidType;

Tensor u8(Dims dims, const std::vector<double>& v) {
  return tensor(DType::kU8, std::move(dims), v);
}
Tensor i4(Dims dims, const std::vector<double>& v) {
  return tensor(DType::kI4, std::move(dims), v);
}
Attributes to(DType type) { return {{"output_dtype", static_cast<int64_t>(type)}}; }

// size: one table of cases
TEST(QuantizationOps, Quantize) {
  const Tensor x = f32({4}, {-3, 0.5, 1.5, 1000}), one = f32({}, {1});
  check_cases({
      {"ties to even, saturated", "QuantizeLinear", {}, {x, one}, {u8({4}, {0, 0, 2, 255})}},
      {"zero point of another rank of one element",
       "DequantizeLinear",
       {},
       {tensor(DType::kI8, {3}, {1, 2, 3}), f32({}, {2}), tensor(DType::kI8, {1}, {1})},
       {f32({3}, {0, 2, 4})}},
      {"zero point after rounding",
       "QuantizeLinear",
       {},
       {x, one, u8({}, {1})},
       {u8({4}, {0, 1, 3, 255})}},
      {"int4", "QuantizeLinear", to(DType::kI4), {x, one}, {i4({4}, {-3, 0, 2, 7})}},
      {"uint2",
       "QuantizeLinear",
       to(DType::kU2),
       {x, one},
       {tensor(DType::kU2, {4}, {0, 0, 2, 3})}},
      {"int16",
       "QuantizeLinear",
       to(DType::kI16),
       {x, f32({}, {0.01})},
       {tensor(DType::kI16, {4}, {-300, 50, 150, 32767})}},
      {"infinities and NaN",
       "QuantizeLinear",
       {},
       {f32({3}, {HUGE_VAL, -HUGE_VAL, NAN}), one, u8({}, {7})},
       {u8({3}, {255, 0, 7})}},
      {"per axis",
       "QuantizeLinear",
       {{"axis", int64_t{0}}},
       {f32({2, 2}, {1, 2, 3, 4}), f32({2}, {1, 0.5}), u8({2}, {0, 1})},
       {u8({2, 2}, {1, 2, 7, 9})}},
      {"blocks",
       "QuantizeLinear",
       {{"axis", int64_t{1}}, {"block_size", int64_t{2}}},
       {f32({1, 3}, {2, 4, 6}), f32({1, 2}, {1, 2})},
       {u8({1, 3}, {2, 4, 3})}},
      {"float8, saturated",
       "QuantizeLinear",
       to(DType::kF8E4M3FN),
       {f32({2}, {1e6, 1.1}), one},
       {tensor(DType::kF8E4M3FN, {2}, {448, 1.125})}},
      {"float8, not saturated",
       "QuantizeLinear",
       {{"output_dtype", static_cast<int64_t>(DType::kF8E5M2)}, {"saturate", int64_t{0}}},
       {f32({1}, {1e6}), one},
       {tensor(DType::kF8E5M2, {1}, {HUGE_VAL})}},
      {"division in float16",
       "QuantizeLinear",
       {{"output_dtype", static_cast<int64_t>(DType::kI16)}, {"precision", int64_t{10}}},
       {f32({1}, {4097}), one},
       {tensor(DType::kI16, {1}, {4096})}},
      {"empty", "QuantizeLinear", {}, {f32({0, 2}, {}), one}, {u8({0, 2}, {})}},
  });
}

TEST(QuantizationOps, QuantizeRefuses) {
  const Tensor x = f32({4}, {-3, 0.5, 1.5, 1000}), one = f32({}, {1});
  check_cases({
      {"types",
       "QuantizeLinear",
       to(DType::kI8),
       {x, one, u8({}, {1})},
       {},
       kType,
       "expected int8"},
      {"scales",
       "QuantizeLinear",
       {{"axis", int64_t{0}}},
       {x, f32({3}, {1, 1, 1})},
       {},
       kShape,
       "scale"},
      {"zero points",
       "QuantizeLinear",
       {{"axis", int64_t{0}}},
       {x, f32({4}, {1, 1, 1, 1}), u8({}, {1})},
       {},
       kShape,
       "input 2"},
      {"to float32", "QuantizeLinear", to(DType::kF32), {x, one}, {}, kType, "quantised type"},
      {"to no type",
       "QuantizeLinear",
       {{"output_dtype", int64_t{99}}},
       {x, one},
       {},
       ErrorCode::kInvalidModel,
       "99"},
  });
}

TEST(QuantizationOps, Dequantize) {
  check_cases({
      {"tensor",
       "DequantizeLinear",
       {},
       {u8({2}, {0, 255}), f32({}, {2}), u8({}, {128})},
       {f32({2}, {-256, 254})}},
      {"int32", "DequantizeLinear", {}, {i32({1}, {-7}), f32({}, {0.5})}, {f32({1}, {-3.5})}},
      {"int4 in blocks",
       "DequantizeLinear",
       {{"axis", int64_t{0}}, {"block_size", int64_t{2}}},
       {i4({3, 1}, {-8, 7, 3}), f32({2, 1}, {1, 10})},
       {f32({3, 1}, {-8, 7, 30})}},
      {"float8 to float16",
       "DequantizeLinear",
       {},
       {tensor(DType::kF8E4M3FN, {1}, {448}), tensor(DType::kF16, {}, {2})},
       {tensor(DType::kF16, {1}, {896})}},
      {"a scale of powers of two",
       "DequantizeLinear",
       to(DType::kF32),
       {u8({1}, {3}), tensor(DType::kF8E8M0, {}, {0.25})},
       {f32({1}, {0.75})}},
      {"without a type to give",
       "DequantizeLinear",
       {},
       {u8({1}, {3}), tensor(DType::kF8E8M0, {}, {0.25})},
       {},
       kType,
       "output_dtype"},
      {"block scales",
       "DequantizeLinear",
       {{"axis", int64_t{0}}, {"block_size", int64_t{2}}},
       {i4({3, 1}, {1, 1, 1}), f32({3, 1}, {1, 1, 1})},
       {},
       kShape,
       "expected [2, 1]"},
      {"negative block",
       "DequantizeLinear",
       {{"block_size", int64_t{-1}}},
       {u8({1}, {1}), f32({}, {1})},
       {},
       ErrorCode::kInvalidModel,
       "block_size"},
  });
}

TEST(QuantizationOps, Dynamic) {
  check_cases({
      {"around zero",
       "DynamicQuantizeLinear",
       {},
       {f32({3}, {-51, 0, 204})},
       {u8({3}, {0, 51, 255}), f32({}, {1}), u8({}, {51})}},
      {"positive",
       "DynamicQuantizeLinear",
       {},
       {f32({2}, {10, 255})},
       {u8({2}, {10, 255}), f32({}, {1}), u8({}, {0})}},
      {"zeros",
       "DynamicQuantizeLinear",
       {},
       {f32({1}, {0})},
       {u8({1}, {0}), f32({}, {1 / 255.0}), u8({}, {0})}},
      {"nothing",
       "DynamicQuantizeLinear",
       {},
       {f32({0}, {})},
       {u8({0}, {}), f32({}, {1 / 255.0}), u8({}, {0})}},
  });
}

}  // namespace
}  // namespace planish::test
