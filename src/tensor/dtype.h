// SPDX-License-Identifier: Apache-2.0
// Data types of ONNX 1.22, numbered as onnx.TensorProto.DataType.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace planish {

enum class DType : uint8_t {
  kUndefined = 0,
  kF32 = 1,
  kU8 = 2,
  kI8 = 3,
  kU16 = 4,
  kI16 = 5,
  kI32 = 6,
  kI64 = 7,
  kString = 8,
  kBool = 9,
  kF16 = 10,
  kF64 = 11,
  kU32 = 12,
  kU64 = 13,
  kC64 = 14,
  kC128 = 15,
  kBF16 = 16,
  kF8E4M3FN = 17,
  kF8E4M3FNUZ = 18,
  kF8E5M2 = 19,
  kF8E5M2FNUZ = 20,
  kU4 = 21,
  kI4 = 22,
  kF4E2M1 = 23,
  kF8E8M0 = 24,
  kU2 = 25,
  kI2 = 26,
};
inline constexpr int kDTypeCount = 27;

enum class DTypeClass : uint8_t { kNone, kFloat, kSigned, kUnsigned, kBool, kComplex, kString };

// "float32", "int4", ... : numpy's and ml_dtypes' names.
std::string_view dtype_name(DType type);
std::optional<DType> dtype_from_name(std::string_view name);
bool is_valid_dtype(int number);  // 1 .. 26

// Bits of one element; 0 for strings. Elements of less than 8 bits are packed, low bits first.
int dtype_bits(DType type);
DTypeClass dtype_class(DType type);

inline bool is_float(DType t) { return dtype_class(t) == DTypeClass::kFloat; }
inline bool is_integer(DType t) {
  return dtype_class(t) == DTypeClass::kSigned || dtype_class(t) == DTypeClass::kUnsigned;
}
inline bool is_complex(DType t) { return dtype_class(t) == DTypeClass::kComplex; }
inline bool is_packed(DType t) { return dtype_bits(t) != 0 && dtype_bits(t) < 8; }

// Bytes of `count` elements, packed types rounded up to whole bytes.
// Throws kBudgetExceeded on overflow. Strings: 0.
size_t dtype_bytes(DType type, int64_t count);

}  // namespace planish
