// SPDX-License-Identifier: Apache-2.0
#include "tensor/dtype.h"

#include <array>

#include "base/str.h"
#include "planish/error.h"

namespace planish {
namespace {

struct Row {
  std::string_view name;
  int bits;
  DTypeClass klass;
};

constexpr std::array<Row, kDTypeCount> kRows = {{
    {"undefined", 0, DTypeClass::kNone},        {"float32", 32, DTypeClass::kFloat},
    {"uint8", 8, DTypeClass::kUnsigned},        {"int8", 8, DTypeClass::kSigned},
    {"uint16", 16, DTypeClass::kUnsigned},      {"int16", 16, DTypeClass::kSigned},
    {"int32", 32, DTypeClass::kSigned},         {"int64", 64, DTypeClass::kSigned},
    {"string", 0, DTypeClass::kString},         {"bool", 8, DTypeClass::kBool},
    {"float16", 16, DTypeClass::kFloat},        {"float64", 64, DTypeClass::kFloat},
    {"uint32", 32, DTypeClass::kUnsigned},      {"uint64", 64, DTypeClass::kUnsigned},
    {"complex64", 64, DTypeClass::kComplex},    {"complex128", 128, DTypeClass::kComplex},
    {"bfloat16", 16, DTypeClass::kFloat},       {"float8_e4m3fn", 8, DTypeClass::kFloat},
    {"float8_e4m3fnuz", 8, DTypeClass::kFloat}, {"float8_e5m2", 8, DTypeClass::kFloat},
    {"float8_e5m2fnuz", 8, DTypeClass::kFloat}, {"uint4", 4, DTypeClass::kUnsigned},
    {"int4", 4, DTypeClass::kSigned},           {"float4_e2m1fn", 4, DTypeClass::kFloat},
    {"float8_e8m0fnu", 8, DTypeClass::kFloat},  {"uint2", 2, DTypeClass::kUnsigned},
    {"int2", 2, DTypeClass::kSigned},
}};

const Row& row(DType type) {
  const auto index = static_cast<size_t>(type);
  return kRows[index < kRows.size() ? index : 0];
}

}  // namespace

std::string_view dtype_name(DType type) { return row(type).name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (size_t i = 1; i < kRows.size(); ++i)
    if (kRows[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

bool is_valid_dtype(int number) { return number >= 1 && number < kDTypeCount; }
int dtype_bits(DType type) { return row(type).bits; }
DTypeClass dtype_class(DType type) { return row(type).klass; }

size_t dtype_bytes(DType type, int64_t count) {
  const int bits = dtype_bits(type);
  if (bits == 0) return 0;
  size_t total = 0;
  if (count < 0 ||
      __builtin_mul_overflow(static_cast<size_t>(count), static_cast<size_t>(bits), &total) ||
      total > SIZE_MAX - 7)
    throw Error(ErrorCode::kBudgetExceeded, concat("a tensor of ", count, " elements of ",
                                                   dtype_name(type), " does not fit into memory"));
  return (total + 7) / 8;
}

}  // namespace planish
