// SPDX-License-Identifier: Apache-2.0
#include "dtypes.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <complex>
#include <cstdio>
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
T raw(const Value& v, size_t i) {
  T x;
  std::memcpy(&x, static_cast<const char*>(v.data()) + i * sizeof(T), sizeof(T));
  return x;
}

template <class T>
double read(const Value& v, size_t i) {
  return static_cast<double>(raw<T>(v, i));
}

// Of every integer type but uint64.
int64_t whole(const Value& v, size_t i) {
  return v.dtype() == kInt64 ? raw<int64_t>(v, i) : static_cast<int64_t>(element(v, i));
}

uint8_t packed_code(const Value& v, size_t i, int bits) {
  const auto byte = static_cast<const uint8_t*>(v.data())[i * static_cast<size_t>(bits) / 8];
  const auto shift = i * static_cast<size_t>(bits) % 8;
  return static_cast<uint8_t>(byte >> shift & ((1U << bits) - 1));
}

template <class T>
std::string put_integer(Value& v, size_t i, const std::string& text) {
  T x{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), x);
  if (error != std::errc() || end != text.data() + text.size())
    return "an integer from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
           std::to_string(std::numeric_limits<T>::max());
  std::memcpy(static_cast<char*>(v.data()) + i * sizeof(T), &x, sizeof(T));
  return {};
}

// A float as the bits of a bfloat16, to the nearest, to even.
uint16_t bfloat16_bits(float x) {
  uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof(bits));
  if (std::isnan(x)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

double greatest_real(int dtype) {
  switch (dtype) {
    case kHalf: return 65504;
    case kBfloat16: return 0x1.FEp127;
    case kFloat:
    case kComplex64: return std::numeric_limits<float>::max();
    default: return std::numeric_limits<double>::max();
  }
}

std::string put_real(Value& v, size_t i, const std::string& text) {
  const auto x = parse_real(text);
  const double greatest = greatest_real(v.dtype());
  if (!x || (std::isfinite(*x) && std::fabs(*x) > greatest)) {
    char expected[64];
    std::snprintf(expected, sizeof(expected), "a number from %g to %g", -greatest, greatest);
    return expected;
  }
  const auto put = [&](auto element) {
    std::memcpy(static_cast<char*>(v.data()) + i * sizeof(element), &element, sizeof(element));
  };
  if (v.dtype() == kComplex64)
    put(std::complex<float>(static_cast<float>(*x)));
  else if (v.dtype() == kComplex128)
    put(std::complex<double>(*x));
  else
    set_element(v, i, *x);
  return {};
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
    if (dtype == kFloat4E2M1Fn)
      return decode({2, 1, 1, -1, -1, false}, static_cast<unsigned>(code));
    return is_signed_integer(dtype) && code >= 1 << (bits - 1) ? code - (1 << bits) : code;
  }
  const unsigned code = static_cast<const uint8_t*>(v.data())[i];
  switch (dtype) {
    case kFloat8E4M3Fn: return decode({4, 3, 7, 0x7F, -1, false}, code);
    case kFloat8E4M3Fnuz: return decode({4, 3, 8, -1, -1, true}, code);
    case kFloat8E5M2: return decode({5, 2, 15, 0x7D, 0x7C, false}, code);
    case kFloat8E5M2Fnuz: return decode({5, 2, 16, -1, -1, true}, code);
    default: return code == 255 ? std::nan("") : std::ldexp(1.0, static_cast<int>(code) - 127);
  }
}

}  // namespace

const char* dtype_name(int dtype) { return row(dtype).name; }
int dtype_bits(int dtype) { return row(dtype).bits; }
bool is_signed_integer(int dtype) { return row(dtype).is_signed_integer; }
bool is_complex(int dtype) { return dtype == kComplex64 || dtype == kComplex128; }
bool is_floating(int dtype) {
  if (dtype == kFloat || dtype == kDouble || dtype == kHalf || dtype == kBfloat16) return true;
  return is_complex(dtype) || (dtype >= kFloat8E4M3Fn && dtype <= kFloat8E5M2Fnuz) ||
         dtype == kFloat4E2M1Fn || dtype == kFloat8E8M0Fnu;
}

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

std::optional<size_t> pack(const char* bytes, Value& value) {
  const auto bits = static_cast<size_t>(dtype_bits(value.dtype()));
  const auto [least, greatest] = integer_range(value.dtype());
  auto* out = static_cast<uint8_t*>(value.data());
  std::memset(out, 0, value.bytes());
  const size_t count = element_count(value);
  for (size_t i = 0; i < count; ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    const int x = least < 0 ? static_cast<int8_t>(byte) : byte;
    if (x < least || x > greatest) return i;
    const unsigned code = byte & ((1U << bits) - 1);
    out[i * bits / 8] = static_cast<uint8_t>(out[i * bits / 8] | code << (i * bits % 8));
  }
  return std::nullopt;
}

double element(const Value& v, size_t i, size_t part) {
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
    case kComplex64: return read<float>(v, 2 * i + part);
    case kComplex128: return read<double>(v, 2 * i + part);
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

std::string element_text(const Value& v, size_t i) {
  if (v.dtype() == kString) return '"' + v.string(static_cast<int64_t>(i)) + '"';
  if (v.dtype() == kUint64) return std::to_string(raw<uint64_t>(v, i));
  if (!is_floating(v.dtype())) return std::to_string(whole(v, i));
  char text[64];
  if (is_complex(v.dtype()))
    std::snprintf(text, sizeof(text), "%g%+gi", element(v, i), element(v, i, 1));
  else
    std::snprintf(text, sizeof(text), "%g", element(v, i));
  return text;
}

bool same_element(const Value& a, size_t i, const Value& b, size_t j) {
  if (a.dtype() == kString)
    return a.string(static_cast<int64_t>(i)) == b.string(static_cast<int64_t>(j));
  if (a.dtype() == kUint64) return raw<uint64_t>(a, i) == raw<uint64_t>(b, j);
  return whole(a, i) == whole(b, j);
}

std::vector<std::string> list_items(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const size_t start = std::min(text.find_first_not_of(' ', at), comma);
    out.push_back(text.substr(start, comma - start));
    at = comma + 1;
  }
  return out;
}

std::optional<double> parse_real(const std::string& text) {
  double x = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), x);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return x;
}

std::pair<int64_t, int64_t> integer_range(int dtype) {
  if (dtype == kBool) return {0, 1};
  const int bits = dtype_bits(dtype);
  if (is_signed_integer(dtype))
    return {-(int64_t{1} << (bits - 1)), (int64_t{1} << (bits - 1)) - 1};
  return {0, (int64_t{1} << bits) - 1};
}

std::string put_number(Value& v, size_t i, const std::string& text) {
  switch (v.dtype()) {
    case kUint8: return put_integer<uint8_t>(v, i, text);
    case kInt8: return put_integer<int8_t>(v, i, text);
    case kUint16: return put_integer<uint16_t>(v, i, text);
    case kInt16: return put_integer<int16_t>(v, i, text);
    case kUint32: return put_integer<uint32_t>(v, i, text);
    case kInt32: return put_integer<int32_t>(v, i, text);
    case kUint64: return put_integer<uint64_t>(v, i, text);
    case kInt64: return put_integer<int64_t>(v, i, text);
    case kBool: return text == "0" || text == "1" ? put_integer<uint8_t>(v, i, text) : "0 or 1";
    default: return put_real(v, i, text);
  }
}

void set_element(Value& v, size_t i, double x) {
  const auto put = [&](auto element) {
    std::memcpy(static_cast<char*>(v.data()) + i * sizeof(element), &element, sizeof(element));
  };
  switch (v.dtype()) {
    case kFloat: return put(static_cast<float>(x));
    case kDouble: return put(x);
    case kHalf: return put(static_cast<_Float16>(x));
    case kBfloat16: return put(bfloat16_bits(static_cast<float>(x)));
    default: return put(static_cast<uint8_t>(std::lround(std::clamp(x, 0.0, 255.0))));
  }
}

}  // namespace planish::cli
