// SPDX-License-Identifier: Apache-2.0
// The element types of ONNX by their numbers (onnx.TensorProto.DataType).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "planish/planish.h"

namespace planish::cli {

inline constexpr int kFloat = 1, kUint8 = 2, kInt8 = 3, kUint16 = 4, kInt16 = 5, kInt32 = 6,
                     kInt64 = 7, kString = 8, kBool = 9, kHalf = 10, kDouble = 11, kUint32 = 12,
                     kUint64 = 13, kComplex64 = 14, kComplex128 = 15, kBfloat16 = 16;

const char* dtype_name(int dtype);
int dtype_bits(int dtype);          // 0: strings and what is none
bool is_signed_integer(int dtype);  // of 2 to 64 bits

// Bytes of a tensor, nullopt if a dim is negative or they do not fit in 2^62. Packed types are
// rounded up.
std::optional<uint64_t> tensor_bytes(int dtype, const std::vector<int64_t>& dims);
// "1x3x224x224", "scalar"
std::string dims_text(const std::vector<int64_t>& dims);

// Types of less than 8 bits lie packed in a value, low bits first, and one byte an element in
// files.
std::string unpack(const Value& value);
void pack(const char* bytes, Value& value);

// An element as a number; real parts of complex ones. Requires a tensor that holds no strings.
double element(const Value& tensor, size_t index);
size_t element_count(const Value& tensor);

}  // namespace planish::cli
