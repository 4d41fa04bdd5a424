// SPDX-License-Identifier: Apache-2.0
#include "ops/convert.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/str.h"
#include "ops/strides.h"
#include "tensor/elements.h"

namespace planish {
namespace {

constexpr int64_t kConvertChunk = 512;

template <class T>
void convert_through(const Tensor& in, Tensor& out) {
  std::array<T, kConvertChunk> buffer;
  for (int64_t i = 0; i < in.count(); i += kConvertChunk) {
    const int64_t n = std::min(kConvertChunk, in.count() - i);
    load<T>(in, i, n, buffer.data());
    store<T>(out, i, n, buffer.data());
  }
}

// Rounds to the values of a narrow format first, so that storing them is exact.
void convert_to_narrow_float(const Tensor& in, Tensor& out, const CastOptions& options) {
  const bool is_scale = out.dtype() == DType::kF8E8M0;
  const bool saturate = options.saturate || out.dtype() == DType::kF4E2M1;
  std::array<double, kConvertChunk> buffer;
  std::array<uint8_t, kConvertChunk> codes;
  std::vector<uint8_t> packed;
  for (int64_t i = 0; i < in.count(); i += kConvertChunk) {
    const int64_t n = std::min(kConvertChunk, in.count() - i);
    load<double>(in, i, n, buffer.data());
    for (int64_t k = 0; k < n; ++k) {
      const double v = buffer[static_cast<size_t>(k)];
      codes[static_cast<size_t>(k)] =
          static_cast<uint8_t>(is_scale ? encode_e8m0(v, options.saturate, options.rounding)
                                        : encode_float(float_format(out.dtype()), v, saturate));
    }
    if (is_packed(out.dtype()))
      packed.insert(packed.end(), codes.begin(), codes.begin() + n);
    else
      std::copy_n(codes.begin(), n, out.as<uint8_t>() + i);
  }
  if (is_packed(out.dtype())) pack(packed, out);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  text = text.substr(first, text.find_last_not_of(kSpace) - first + 1);
  if (text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+') text.remove_prefix(1);
  return text;
}

template <class T>
bool parse_whole(std::string_view text, T* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}

// from_chars leaves the value alone when it is out of the range of double.
bool parse_double(std::string_view text, double* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  if (end != text.data() + text.size() || text.empty()) return false;
  if (error == std::errc::result_out_of_range) {
    const size_t exponent = text.find_first_of("eE");
    const bool tiny = exponent != std::string_view::npos && exponent + 1 < text.size() &&
                      text[exponent + 1] == '-';
    *out = tiny ? 0.0 : HUGE_VAL;
    if (text[0] == '-') *out = -*out;
    return true;
  }
  return error == std::errc();
}

void convert_from_strings(const KernelContext& c, const Tensor& in, Tensor& out,
                          const CastOptions& options) {
  const bool whole = is_integer(out.dtype());
  Tensor reals(DType::kF64, whole ? Dims{0} : in.dims());
  for (int64_t i = 0; i < in.count(); ++i) {
    const std::string& raw = in.string_values()[static_cast<size_t>(i)];
    const std::string_view text = trimmed(raw);
    int64_t integer = 0;
    uint64_t large = 0;
    double real = 0;
    if (whole && parse_whole(text, &integer)) {
      store<int64_t>(out, i, 1, &integer);
    } else if (whole && parse_whole(text, &large)) {
      store<uint64_t>(out, i, 1, &large);
    } else if (!parse_double(text, &real)) {
      c.fail(concat("expected a number, got the string \"", raw.substr(0, 64), "\" (element ", i,
                    ")"));
    } else if (whole) {
      store<double>(out, i, 1, &real);
    } else {
      reals.as<double>()[i] = real;
    }
  }
  if (!whole) convert_elements(c, reals, out, options);
}

void convert_to_strings(const Tensor& in, Tensor& out) {
  std::vector<std::string>& texts = out.string_values();
  for (int64_t i = 0; i < in.count(); ++i) {
    std::string& text = texts[static_cast<size_t>(i)];
    switch (dtype_class(in.dtype())) {
      case DTypeClass::kBool: text = element<int64_t>(in, i) != 0 ? "True" : "False"; break;
      case DTypeClass::kSigned: text = std::to_string(element<int64_t>(in, i)); break;
      case DTypeClass::kUnsigned: text = std::to_string(element<uint64_t>(in, i)); break;
      default: text = number_text(element<double>(in, i), in.dtype());
    }
  }
}

// The fewest digits that name `value` among the values of `type`.
int shortest_digits(double value, DType type) {
  Tensor probe(type, {});
  for (int digits = 1; digits < 17; ++digits) {
    std::array<char, 64> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value,
                                   std::chars_format::scientific, digits - 1);
    double parsed = 0;
    std::from_chars(text.data(), end.ptr, parsed);
    store<double>(probe, 0, 1, &parsed);
    if (element<double>(probe, 0) == value) return digits;
  }
  return 17;
}

}  // namespace

std::string number_text(double value, DType type) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  if (value == 0) return std::signbit(value) ? "-0.0" : "0.0";
  std::array<char, 512> text;
  char* const end = text.data() + text.size();
  const double size = std::fabs(value);
  const bool plain = size >= 1e-4 && size < 1e16;
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  std::to_chars_result result{};
  if (type == DType::kF64) {
    result = std::to_chars(text.data(), end, value, format);
  } else if (type == DType::kF32) {
    result = std::to_chars(text.data(), end, static_cast<float>(value), format);
  } else {
    const int digits = shortest_digits(value, type);
    result = std::to_chars(text.data(), end, value, std::chars_format::scientific, digits - 1);
    if (plain) {
      // Rounding to the digits may have raised the exponent, so it is read off the text.
      const std::string_view rounded(text.data(), result.ptr);
      const size_t at = rounded.find('e') + 1;
      int exponent = 0;
      std::from_chars(rounded.data() + at + (rounded[at] == '+' ? 1 : 0), result.ptr, exponent);
      result = std::to_chars(text.data(), end, value, format, std::max(0, digits - 1 - exponent));
    }
  }
  std::string out(text.data(), result.ptr);
  if (plain && out.find('.') == std::string::npos) out += ".0";
  return out;
}

void convert_elements(const KernelContext& c, const Tensor& in, Tensor& out,
                      const CastOptions& options) {
  const DType from = in.dtype(), to = out.dtype();
  if (from == to) return copy_all(out, in);
  if (from == DType::kString) return convert_from_strings(c, in, out, options);
  if (to == DType::kString) return convert_to_strings(in, out);
  if (is_complex(from) || is_complex(to)) return convert_through<std::complex<double>>(in, out);
  if (is_float(to) && dtype_bits(to) <= 8) return convert_to_narrow_float(in, out, options);
  // Between integers 64 bits hold everything but uint64 read as signed, which wraps as it should.
  if (!is_float(from)) {
    if (!is_float(to)) return convert_through<int64_t>(in, out);
    return from == DType::kU64 ? convert_through<uint64_t>(in, out)
                               : convert_through<int64_t>(in, out);
  }
  if (from == DType::kF64 || to == DType::kU64 || to == DType::kBool || dtype_bits(from) <= 8)
    return convert_through<double>(in, out);
  return convert_through<float>(in, out);
}

}  // namespace planish
