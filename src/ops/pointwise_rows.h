// SPDX-License-Identifier: Apache-2.0
// The rows of pointwise.def as a table.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace planish {

enum class PointwiseInputs : uint8_t { kUnary, kBinary, kVariadic, kPower, kWhere, kClip };
enum class PointwiseResult : uint8_t { kSame, kTruth };

struct PointwiseClass {
  static constexpr uint32_t kFloats = 1;
  static constexpr uint32_t kSigned = 2;
  static constexpr uint32_t kUnsigned = 4;
  static constexpr uint32_t kBools = 8;
  static constexpr uint32_t kByDouble = 16;
};

struct PointwiseAttribute {
  enum class Kind : uint8_t { kAbsent, kFloat, kInt, kChoice };
  Kind kind = Kind::kAbsent;
  std::string_view name;
  float number = 0;                           // default of kFloat and kInt
  std::array<std::string_view, 2> choices{};  // of kChoice, the default first
};

inline constexpr int kMaxPointwiseAttributes = 4;

struct PointwiseRow {
  std::string_view name;
  PointwiseInputs inputs;
  uint32_t classes;
  PointwiseResult result;
  int cost;
  double tolerance;
  std::array<PointwiseAttribute, kMaxPointwiseAttributes> attributes;
  std::string_view expression;

  // Values that the expression reads.
  constexpr int arity() const {
    switch (inputs) {
      case PointwiseInputs::kUnary: return 1;
      case PointwiseInputs::kBinary:
      case PointwiseInputs::kVariadic:
      case PointwiseInputs::kPower: return 2;
      case PointwiseInputs::kWhere:
      case PointwiseInputs::kClip: return 3;
    }
    return 0;
  }
  constexpr int attribute_count() const {
    int count = 0;
    while (count < kMaxPointwiseAttributes &&
           attributes[count].kind != PointwiseAttribute::Kind::kAbsent) {
      ++count;
    }
    return count;
  }
};

namespace pointwise_detail {

constexpr uint32_t kFloats = PointwiseClass::kFloats;
constexpr uint32_t kSigned = PointwiseClass::kSigned;
constexpr uint32_t kUnsigned = PointwiseClass::kUnsigned;
constexpr uint32_t kBools = PointwiseClass::kBools;
constexpr uint32_t kByDouble = PointwiseClass::kByDouble;

#define PLANISH_NONE
#define PLANISH_FLOAT(name, value) {PointwiseAttribute::Kind::kFloat, #name, value, {}},
#define PLANISH_INT(name, value) {PointwiseAttribute::Kind::kInt, #name, value, {}},
#define PLANISH_CHOICE(name, first, second) \
  {PointwiseAttribute::Kind::kChoice, #name, 0, {first, second}},
#define PLANISH_POINTWISE(name, inputs, classes, result, cost, tolerance, attributes, ...)     \
  PointwiseRow{#name,     PointwiseInputs::inputs, classes,     PointwiseResult::result, cost, \
               tolerance, {{attributes}},          #__VA_ARGS__},
inline constexpr PointwiseRow kRows[] = {
#include "ops/pointwise.def"
};
#undef PLANISH_POINTWISE
#undef PLANISH_NONE
#undef PLANISH_FLOAT
#undef PLANISH_INT
#undef PLANISH_CHOICE

}  // namespace pointwise_detail

inline constexpr int kPointwiseRowCount =
    static_cast<int>(sizeof(pointwise_detail::kRows) / sizeof(PointwiseRow));

constexpr const PointwiseRow& pointwise_row(int index) { return pointwise_detail::kRows[index]; }

// The row of that name, or -1. The order of rows is not stable from version to version: files keep
// names.
constexpr int find_pointwise_row(std::string_view name) {
  for (int i = 0; i < kPointwiseRowCount; ++i) {
    if (pointwise_row(i).name == name) return i;
  }
  return -1;
}

}  // namespace planish
