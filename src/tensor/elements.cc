// SPDX-License-Identifier: Apache-2.0
#include "tensor/elements.h"

#include <cmath>
#include <cstring>
#include <type_traits>

#include "base/str.h"
#include "planish/error.h"
#include "tensor/float_formats.h"

namespace planish {
namespace {

template <class T>
constexpr bool kIsComplex = std::is_same_v<T, std::complex<double>>;

// Conversion of one number between computing types, defined for every pair.
template <class To, class From>
To convert(From v) {
  if constexpr (kIsComplex<From>) {
    if constexpr (kIsComplex<To>)
      return v;
    else
      return convert<To>(v.real());
  } else if constexpr (kIsComplex<To>) {
    return To(static_cast<double>(v), 0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    const auto d = static_cast<double>(v);
    if constexpr (std::is_same_v<To, uint64_t>) {
      if (d >= 9223372036854775808.0 && d < 18446744073709551616.0) return static_cast<To>(d);
    }
    // What x86 gives for everything that does not fit.
    if (!(d > -9223372036854775809.0 && d < 9223372036854775808.0))
      return static_cast<To>(INT64_MIN);
    return static_cast<To>(static_cast<int64_t>(d));
  } else {
    return static_cast<To>(v);
  }
}

[[noreturn]] void fail_type(DType type) {
  throw Error(ErrorCode::kInvalidType,
              concat("expected a tensor of numbers, got ", dtype_name(type)));
}

void check_range(const Tensor& t, int64_t first, int64_t n) {
  if (first < 0 || n < 0 || first > t.count() - n)
    throw Error(ErrorCode::kInternal,
                concat("elements ", first, " to ", first + n, " of a tensor of ", t.count()));
}

template <class Stored, class T>
void load_plain(const std::byte* data, int64_t first, int64_t n, T* out) {
  const auto* in = reinterpret_cast<const Stored*>(data) + first;
  if constexpr (std::is_same_v<Stored, T>) {
    if (n > 0) std::memcpy(out, in, static_cast<size_t>(n) * sizeof(T));
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = convert<T>(in[i]);
  }
}

template <class Stored, class T>
void store_plain(std::byte* data, int64_t first, int64_t n, const T* in) {
  auto* out = reinterpret_cast<Stored*>(data) + first;
  if constexpr (std::is_same_v<Stored, T>) {
    if (n > 0) std::memcpy(out, in, static_cast<size_t>(n) * sizeof(T));
  } else if constexpr (std::is_integral_v<Stored> && !kIsComplex<T>) {
    // Through 64 bits, so that narrowing wraps.
    for (int64_t i = 0; i < n; ++i)
      out[i] = static_cast<Stored>(
          convert<std::conditional_t<std::is_same_v<Stored, uint64_t>, uint64_t, int64_t>>(in[i]));
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = convert<Stored>(in[i]);
  }
}

uint32_t packed_get(const std::byte* data, int bits, int64_t index) {
  const int per_byte = 8 / bits;
  const auto byte = static_cast<uint32_t>(data[index / per_byte]);
  return (byte >> (bits * static_cast<int>(index % per_byte))) & ((1u << bits) - 1);
}

void packed_set(std::byte* data, int bits, int64_t index, uint32_t code) {
  const int per_byte = 8 / bits;
  const int shift = bits * static_cast<int>(index % per_byte);
  const uint32_t mask = ((1u << bits) - 1) << shift;
  auto byte = static_cast<uint32_t>(data[index / per_byte]);
  byte = (byte & ~mask) | ((code << shift) & mask);
  data[index / per_byte] = static_cast<std::byte>(byte);
}

int64_t sign_extend(uint32_t code, int bits) {
  const uint32_t sign = 1u << (bits - 1);
  return static_cast<int64_t>(code ^ sign) - static_cast<int64_t>(sign);
}

template <class T>
void load_small(const Tensor& t, int64_t first, int64_t n, T* out) {
  const DType type = t.dtype();
  const int bits = dtype_bits(type);
  auto code = [&](int64_t i) -> uint32_t {
    if (bits == 16) return reinterpret_cast<const uint16_t*>(t.data())[first + i];
    if (bits == 8) return static_cast<uint8_t>(t.data()[first + i]);
    return packed_get(t.data(), bits, first + i);
  };
  if (type == DType::kBF16) {
    for (int64_t i = 0; i < n; ++i) {
      const uint32_t wide = code(i) << 16;
      float f = 0;
      std::memcpy(&f, &wide, 4);
      out[i] = convert<T>(f);
    }
  } else if (type == DType::kF16) {
    const auto* in = reinterpret_cast<const _Float16*>(t.data()) + first;
    for (int64_t i = 0; i < n; ++i) out[i] = convert<T>(static_cast<float>(in[i]));
  } else if (type == DType::kF8E8M0) {
    for (int64_t i = 0; i < n; ++i) out[i] = convert<T>(decode_e8m0(static_cast<uint8_t>(code(i))));
  } else if (dtype_class(type) == DTypeClass::kFloat) {
    const FloatFormat& format = float_format(type);
    for (int64_t i = 0; i < n; ++i) out[i] = convert<T>(decode_float(format, code(i)));
  } else if (dtype_class(type) == DTypeClass::kSigned) {
    for (int64_t i = 0; i < n; ++i) out[i] = convert<T>(sign_extend(code(i), bits));
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = convert<T>(static_cast<uint64_t>(code(i)));
  }
}

template <class T>
void store_small(Tensor& t, int64_t first, int64_t n, const T* in) {
  const DType type = t.dtype();
  const int bits = dtype_bits(type);
  auto put = [&](int64_t i, uint32_t code) {
    if (bits == 16)
      reinterpret_cast<uint16_t*>(t.data())[first + i] = static_cast<uint16_t>(code);
    else if (bits == 8)
      t.data()[first + i] = static_cast<std::byte>(code);
    else
      packed_set(t.data(), bits, first + i, code);
  };
  if (type == DType::kF8E8M0) {
    for (int64_t i = 0; i < n; ++i)
      put(i, encode_e8m0(convert<double>(in[i]), true, ScaleRounding::kUp));
  } else if (dtype_class(type) == DTypeClass::kFloat) {
    const FloatFormat& format = float_format(type);
    for (int64_t i = 0; i < n; ++i) put(i, encode_float(format, convert<double>(in[i]), false));
  } else {
    for (int64_t i = 0; i < n; ++i) put(i, static_cast<uint32_t>(convert<int64_t>(in[i])));
  }
}

// Calls f with a value of the type that elements of `type` are stored as; false for the types that
// need decoding.
template <class F>
bool with_plain(DType type, F&& f) {
  switch (type) {
    case DType::kF32: f(float{}); return true;
    case DType::kF64: f(double{}); return true;
    case DType::kU8: f(uint8_t{}); return true;
    case DType::kI8: f(int8_t{}); return true;
    case DType::kU16: f(uint16_t{}); return true;
    case DType::kI16: f(int16_t{}); return true;
    case DType::kI32: f(int32_t{}); return true;
    case DType::kI64: f(int64_t{}); return true;
    case DType::kU32: f(uint32_t{}); return true;
    case DType::kU64: f(uint64_t{}); return true;
    default: return false;
  }
}

template <class T>
void load_complex(const Tensor& t, int64_t first, int64_t n, T* out) {
  if (t.dtype() == DType::kC64) {
    const auto* in = reinterpret_cast<const std::complex<float>*>(t.data()) + first;
    for (int64_t i = 0; i < n; ++i) out[i] = convert<T>(std::complex<double>(in[i]));
  } else {
    const auto* in = reinterpret_cast<const std::complex<double>*>(t.data()) + first;
    for (int64_t i = 0; i < n; ++i) out[i] = convert<T>(in[i]);
  }
}

}  // namespace

template <class T>
void load(const Tensor& t, int64_t first, int64_t n, T* out) {
  check_range(t, first, n);
  if (with_plain(t.dtype(), [&](auto tag) { load_plain<decltype(tag)>(t.data(), first, n, out); }))
    return;
  switch (dtype_class(t.dtype())) {
    case DTypeClass::kBool: {
      const auto* in = reinterpret_cast<const uint8_t*>(t.data()) + first;
      for (int64_t i = 0; i < n; ++i) out[i] = convert<T>(int64_t{in[i] != 0});
      return;
    }
    case DTypeClass::kComplex: return load_complex(t, first, n, out);
    case DTypeClass::kFloat:
    case DTypeClass::kSigned:
    case DTypeClass::kUnsigned: return load_small(t, first, n, out);
    default: fail_type(t.dtype());
  }
}

template <class T>
void store(Tensor& t, int64_t first, int64_t n, const T* in) {
  check_range(t, first, n);
  if (with_plain(t.dtype(), [&](auto tag) { store_plain<decltype(tag)>(t.data(), first, n, in); }))
    return;
  switch (dtype_class(t.dtype())) {
    case DTypeClass::kBool: {
      auto* out = reinterpret_cast<uint8_t*>(t.data()) + first;
      for (int64_t i = 0; i < n; ++i) out[i] = in[i] != T{} ? 1 : 0;
      return;
    }
    case DTypeClass::kComplex:
      if (t.dtype() == DType::kC64) {
        auto* out = reinterpret_cast<std::complex<float>*>(t.data()) + first;
        for (int64_t i = 0; i < n; ++i)
          out[i] = std::complex<float>(convert<std::complex<double>>(in[i]));
      } else {
        auto* out = reinterpret_cast<std::complex<double>*>(t.data()) + first;
        for (int64_t i = 0; i < n; ++i) out[i] = convert<std::complex<double>>(in[i]);
      }
      return;
    case DTypeClass::kFloat:
    case DTypeClass::kSigned:
    case DTypeClass::kUnsigned: return store_small(t, first, n, in);
    default: fail_type(t.dtype());
  }
}

#define PLANISH_ELEMENTS(T)                                   \
  template void load<T>(const Tensor&, int64_t, int64_t, T*); \
  template void store<T>(Tensor&, int64_t, int64_t, const T*)
PLANISH_ELEMENTS(double);
PLANISH_ELEMENTS(float);
PLANISH_ELEMENTS(int64_t);
PLANISH_ELEMENTS(uint64_t);
PLANISH_ELEMENTS(uint8_t);
PLANISH_ELEMENTS(std::complex<double>);
#undef PLANISH_ELEMENTS

std::vector<uint8_t> unpack(const Tensor& t) {
  const int bits = dtype_bits(t.dtype());
  const bool is_signed = dtype_class(t.dtype()) == DTypeClass::kSigned;
  std::vector<uint8_t> out(static_cast<size_t>(t.count()));
  for (int64_t i = 0; i < t.count(); ++i) {
    const uint32_t code = packed_get(t.data(), bits, i);
    out[static_cast<size_t>(i)] =
        static_cast<uint8_t>(is_signed ? sign_extend(code, bits) : static_cast<int64_t>(code));
  }
  return out;
}

void pack(const std::vector<uint8_t>& bytes, Tensor& t) {
  if (static_cast<int64_t>(bytes.size()) != t.count())
    throw Error(ErrorCode::kInternal,
                concat("pack of ", bytes.size(), " elements into ", t.count()));
  const int bits = dtype_bits(t.dtype());
  if (t.bytes() != 0) std::memset(t.data(), 0, t.bytes());
  for (int64_t i = 0; i < t.count(); ++i)
    packed_set(t.data(), bits, i, bytes[static_cast<size_t>(i)]);
}

}  // namespace planish
