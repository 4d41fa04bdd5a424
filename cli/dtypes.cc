// SPDX-License-Identifier: Apache-2.0
#include "dtypes.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace planish::cli {
namespace {

struct Row {
  const char* name;
  int bits;
  bool is_signed_integer;
};
constexpr Row kRows[] = {{"undefined", 0, false},
                         {"float32", 32, false},
                         {"uint8", 8, false},
                         {"int8", 8, true},
                         {"uint16", 16, false},
                         {"int16", 16, true},
                         {"int32", 32, true},
                         {"int64", 64, true},
                         {"string", 0, false},
                         {"bool", 8, false},
                         {"float16", 16, false},
                         {"float64", 64, false},
                         {"uint32", 32, false},
                         {"uint64", 64, false},
                         {"complex64", 64, false},
                         {"complex128", 128, false},
                         {"bfloat16", 16, false},
                         {"float8_e4m3fn", 8, false},
                         {"float8_e4m3fnuz", 8, false},
                         {"float8_e5m2", 8, false},
                         {"float8_e5m2fnuz", 8, false},
                         {"uint4", 4, false},
                         {"int4", 4, true},
                         {"float4_e2m1fn", 4, false},
                         {"float8_e8m0fnu", 8, false},
                         {"uint2", 2, false},
                         {"int2", 2, true}};
constexpr int kCount = sizeof(kRows) / sizeof(kRows[0]);

const Row& row(int dtype) { return kRows[dtype > 0 && dtype < kCount ? dtype : 0]; }

template <class T>
double read(const Value& v, size_t i) {
  T x;
  std::memcpy(&x, static_cast<const char*>(v.data()) + i * sizeof(T), sizeof(T));
  return static_cast<double>(x);
}

uint8_t packed_code(const Value& v, size_t i, int bits) {
  const auto byte = static_cast<const uint8_t*>(v.data())[i * static_cast<size_t>(bits) / 8];
  const auto shift = i * static_cast<size_t>(bits) % 8;
  return static_cast<uint8_t>(byte >> shift & ((1U << bits) - 1));
}

// A small float: sign, exponent, mantissa. `nan` and `infinity` are codes without the sign, -1
// where there is none.
struct SmallFloat {
  int exponent_bits, mantissa_bits, bias, nan, infinity;
  bool has_one_nan;  // the code of -0
};

double decode(const SmallFloat& f, unsigned code) {
  const int bits = f.exponent_bits + f.mantissa_bits;
  const unsigned magnitude = code & ((1U << bits) - 1);
  const bool is_negative = (code >> bits & 1) != 0;
  if (f.has_one_nan && is_negative && magnitude == 0) return std::nan("");
  if (f.nan >= 0 && magnitude >= static_cast<unsigned>(f.nan)) return std::nan("");
  const double sign = is_negative ? -1 : 1;
  if (f.infinity >= 0 && magnitude == static_cast<unsigned>(f.infinity))
    return sign * std::numeric_limits<double>::infinity();
  const int exponent = static_cast<int>(magnitude >> f.mantissa_bits);
  const double mantissa = magnitude & ((1U << f.mantissa_bits) - 1);
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - f.bias - f.mantissa_bits);
  return sign * std::ldexp(mantissa + (1 << f.mantissa_bits), exponent - f.bias - f.mantissa_bits);
}

double small_element(const Value& v, size_t i) {
  const int dtype = v.dtype();
  if (dtype_bits(dtype) < 8) {
    const int bits = dtype_bits(dtype);
    const int code = packed_code(v, i, bits);
    if (dtype == 23) return decode({2, 1, 1, -1, -1, false}, static_cast<unsigned>(code));
    return is_signed_integer(dtype) && code >= 1 << (bits - 1) ? code - (1 << bits) : code;
  }
  const unsigned code = static_cast<const uint8_t*>(v.data())[i];
  switch (dtype) {
    case 17: return decode({4, 3, 7, 0x7F, -1, false}, code);
    case 18: return decode({4, 3, 8, -1, -1, true}, code);
    case 19: return decode({5, 2, 15, 0x7D, 0x7C, false}, code);
    case 20: return decode({5, 2, 16, -1, -1, true}, code);
    default: return code == 255 ? std::nan("") : std::ldexp(1.0, static_cast<int>(code) - 127);
  }
}

}  // namespace

const char* dtype_name(int dtype) { return row(dtype).name; }
int dtype_bits(int dtype) { return row(dtype).bits; }
bool is_signed_integer(int dtype) { return row(dtype).is_signed_integer; }

std::optional<uint64_t> tensor_bytes(int dtype, const std::vector<int64_t>& dims) {
  uint64_t bits = static_cast<uint64_t>(dtype_bits(dtype));
  bool is_empty = false;
  for (int64_t d : dims) {
    if (d < 0) return std::nullopt;
    is_empty |= d == 0;
  }
  if (is_empty) return 0;
  for (int64_t d : dims)
    if (__builtin_mul_overflow(bits, static_cast<uint64_t>(d), &bits) || bits > uint64_t{1} << 62)
      return std::nullopt;
  return (bits + 7) / 8;
}

std::string dims_text(const std::vector<int64_t>& dims) {
  std::string out;
  for (int64_t d : dims) out += (out.empty() ? "" : "x") + std::to_string(d);
  return dims.empty() ? "scalar" : out;
}

size_t element_count(const Value& tensor) {
  size_t count = 1;
  for (int64_t d : tensor.dims()) count *= static_cast<size_t>(d);
  return count;
}

std::string unpack(const Value& value) {
  const int bits = dtype_bits(value.dtype());
  std::string out(element_count(value), '\0');
  for (size_t i = 0; i < out.size(); ++i) {
    int code = packed_code(value, i, bits);
    if (is_signed_integer(value.dtype()) && code >= 1 << (bits - 1)) code -= 1 << bits;
    out[i] = static_cast<char>(code);
  }
  return out;
}

void pack(const char* bytes, Value& value) {
  const auto bits = static_cast<size_t>(dtype_bits(value.dtype()));
  auto* out = static_cast<uint8_t*>(value.data());
  std::memset(out, 0, value.bytes());
  const size_t count = element_count(value);
  for (size_t i = 0; i < count; ++i) {
    const unsigned code = static_cast<uint8_t>(bytes[i]) & ((1U << bits) - 1);
    out[i * bits / 8] = static_cast<uint8_t>(out[i * bits / 8] | code << (i * bits % 8));
  }
}

double element(const Value& v, size_t i) {
  switch (v.dtype()) {
    case kFloat: return read<float>(v, i);
    case kUint8:
    case kBool: return read<uint8_t>(v, i);
    case kInt8: return read<int8_t>(v, i);
    case kUint16: return read<uint16_t>(v, i);
    case kInt16: return read<int16_t>(v, i);
    case kInt32: return read<int32_t>(v, i);
    case kInt64: return read<int64_t>(v, i);
    case kHalf: return read<_Float16>(v, i);
    case kDouble: return read<double>(v, i);
    case kUint32: return read<uint32_t>(v, i);
    case kUint64: return read<uint64_t>(v, i);
    case kComplex64: return read<float>(v, 2 * i);
    case kComplex128: return read<double>(v, 2 * i);
    case kBfloat16: {
      uint16_t code = 0;
      std::memcpy(&code, static_cast<const char*>(v.data()) + 2 * i, 2);
      const uint32_t wide = static_cast<uint32_t>(code) << 16;
      float x = 0;
      std::memcpy(&x, &wide, sizeof(x));
      return x;
    }
    default: return small_element(v, i);
  }
}

}  // namespace planish::cli
