// SPDX-License-Identifier: Apache-2.0
// The element types of ONNX by their numbers (onnx.TensorProto.DataType).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "planish/planish.h"

namespace planish::cli {

inline constexpr int kFloat = 1, kUint8 = 2, kInt8 = 3, kUint16 = 4, kInt16 = 5, kInt32 = 6,
                     kInt64 = 7, kString = 8, kBool = 9, kHalf = 10, kDouble = 11, kUint32 = 12,
                     kUint64 = 13, kComplex64 = 14, kComplex128 = 15, kBfloat16 = 16,
                     kFloat8E4M3Fn = 17, kFloat8E4M3Fnuz = 18, kFloat8E5M2 = 19,
                     kFloat8E5M2Fnuz = 20, kFloat4E2M1Fn = 23, kFloat8E8M0Fnu = 24;

const char* dtype_name(int dtype);
int dtype_bits(int dtype);          // 0: strings and what is none
bool is_signed_integer(int dtype);  // of 2 to 64 bits
bool is_floating(int dtype);        // complex ones and the small floats too
bool is_complex(int dtype);

// Bytes of a tensor, nullopt if a dim is negative or they do not fit in 2^62. Packed types are
// rounded up.
std::optional<uint64_t> tensor_bytes(int dtype, const std::vector<int64_t>& dims);
// "1x3x224x224", "scalar"
std::string dims_text(const std::vector<int64_t>& dims);

// Types of less than 8 bits lie packed in a value, low bits first, and one byte an element in
// files.
std::string unpack(const Value& value);
// The first element that the type does not hold, nullopt if there is none and all are packed.
std::optional<size_t> pack(const char* bytes, Value& value);

// An element as a number; of complex ones the real part, 1: the imaginary one. Requires a tensor
// that holds no strings. 64-bit integers are rounded.
double element(const Value& tensor, size_t index, size_t part = 0);
// An element to read: whole numbers with all digits, "1.5", "1.5-2i", "\"text\"".
std::string element_text(const Value& tensor, size_t index);
// Whether elements of two tensors of one dtype, which is not floating, are the same.
bool same_element(const Value& a, size_t i, const Value& b, size_t j);
size_t element_count(const Value& tensor);

// "1,2.5" as its items: at least one.
std::vector<std::string> list_items(const std::string& text);
// A number and nothing else.
std::optional<double> parse_real(const std::string& text);
// Least and greatest of an integer type, bool too, of at most 32 bits.
std::pair<int64_t, int64_t> integer_range(int dtype);
// Puts a number of the tensor's type into it as it is written: nothing is rounded to a whole number
// or brought into range. "" or what was expected: "an integer from 0 to 255". Requires a type of at
// least 8 bits, up to bfloat16, that is no string.
std::string put_number(Value& tensor, size_t index, const std::string& text);
// Requires float32, float64, float16 or bfloat16; or uint8, which takes the nearest that it has.
void set_element(Value& tensor, size_t index, double x);

}  // namespace planish::cli
