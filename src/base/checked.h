// SPDX-License-Identifier: Apache-2.0
// Checked arithmetic for dimensions and bytes.
//
// Sizes come from models, plans, tensors and requests, so no product or sum of them is computed
// raw. Every function takes `what`, the name of the quantity, and throws planish::Error with `code`
// (invalid_shape unless said otherwise) when the result does not fit its type. The `try_` forms
// report overflow as false and leave the choice to the caller.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "planish/error.h"

namespace planish {

template <typename T>
concept CheckedInteger = std::integral<T> && !std::same_as<std::remove_cv_t<T>, bool>;

template <CheckedInteger T>
[[nodiscard]] constexpr bool try_add(T a, T b, T* out) {
  return !__builtin_add_overflow(a, b, out);
}

template <CheckedInteger T>
[[nodiscard]] constexpr bool try_sub(T a, T b, T* out) {
  return !__builtin_sub_overflow(a, b, out);
}

template <CheckedInteger T>
[[nodiscard]] constexpr bool try_mul(T a, T b, T* out) {
  return !__builtin_mul_overflow(a, b, out);
}

namespace checked_detail {

[[noreturn]] inline void fail(std::string_view what, const std::string& expression,
                              ErrorCode code) {
  throw Error(code, std::string(what) + ": " + expression + " does not fit its type");
}

template <CheckedInteger T>
[[noreturn]] void fail_binary(std::string_view what, T a, const char* op, T b, ErrorCode code) {
  fail(what, std::to_string(a) + " " + op + " " + std::to_string(b), code);
}

}  // namespace checked_detail

template <CheckedInteger T>
constexpr T checked_add(T a, std::type_identity_t<T> b, std::string_view what,
                        ErrorCode code = ErrorCode::kInvalidShape) {
  T out{};
  if (!try_add<T>(a, b, &out)) checked_detail::fail_binary<T>(what, a, "+", b, code);
  return out;
}

template <CheckedInteger T>
constexpr T checked_sub(T a, std::type_identity_t<T> b, std::string_view what,
                        ErrorCode code = ErrorCode::kInvalidShape) {
  T out{};
  if (!try_sub<T>(a, b, &out)) checked_detail::fail_binary<T>(what, a, "-", b, code);
  return out;
}

template <CheckedInteger T>
constexpr T checked_mul(T a, std::type_identity_t<T> b, std::string_view what,
                        ErrorCode code = ErrorCode::kInvalidShape) {
  T out{};
  if (!try_mul<T>(a, b, &out)) checked_detail::fail_binary<T>(what, a, "*", b, code);
  return out;
}

// Converts between integer types; the value must be representable in `To`.
template <CheckedInteger To, CheckedInteger From>
constexpr To checked_cast(From value, std::string_view what,
                          ErrorCode code = ErrorCode::kInvalidShape) {
  if (!std::in_range<To>(value)) checked_detail::fail(what, std::to_string(value), code);
  return static_cast<To>(value);
}

// Number of elements of a shape. A negative dimension is an error; a zero makes the product zero
// whatever the other dimensions are; the empty shape has one element.
[[nodiscard]] constexpr bool try_element_count(std::span<const int64_t> dims, int64_t* out) {
  bool zero = false;
  for (int64_t dim : dims) {
    if (dim < 0) return false;
    zero |= dim == 0;
  }
  *out = zero ? 0 : 1;
  if (zero) return true;
  for (int64_t dim : dims) {
    if (!try_mul<int64_t>(*out, dim, out)) return false;
  }
  return true;
}

inline std::string dims_text(std::span<const int64_t> dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i != 0) text += ",";
    text += std::to_string(dims[i]);
  }
  return text + "]";
}

inline int64_t checked_element_count(std::span<const int64_t> dims, std::string_view what,
                                     ErrorCode code = ErrorCode::kInvalidShape) {
  int64_t count = 0;
  if (!try_element_count(dims, &count)) {
    throw Error(code, std::string(what) + ": shape " + dims_text(dims) +
                          " has a negative dimension or more elements than 2^63-1");
  }
  return count;
}

// Bytes of `elements` elements of `bits` bits each, sub-byte types packed (rounded up to a byte).
// The result always fits int64, so that pointer differences inside the buffer are defined.
inline uint64_t checked_bytes(int64_t elements, uint32_t bits, std::string_view what,
                              ErrorCode code = ErrorCode::kInvalidShape) {
  if (elements < 0) checked_detail::fail(what, std::to_string(elements) + " elements", code);
  const unsigned __int128 total = static_cast<unsigned __int128>(elements) * bits;
  const unsigned __int128 bytes = (total + 7) / 8;
  if (bytes > static_cast<unsigned __int128>(std::numeric_limits<int64_t>::max())) {
    checked_detail::fail(
        what, std::to_string(elements) + " elements of " + std::to_string(bits) + " bits", code);
  }
  return static_cast<uint64_t>(bytes);
}

// Rounds up to a multiple of `alignment`, which must be a power of two.
inline uint64_t checked_align_up(uint64_t value, uint64_t alignment, std::string_view what,
                                 ErrorCode code = ErrorCode::kInvalidShape) {
  if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
    throw Error(ErrorCode::kInternal, std::string(what) + ": alignment " +
                                          std::to_string(alignment) + " is not a power of two");
  }
  return checked_add<uint64_t>(value, alignment - 1, what, code) & ~(alignment - 1);
}

// Does [offset, offset + length) lie within [0, total)? Never overflows.
[[nodiscard]] constexpr bool range_within(uint64_t offset, uint64_t length, uint64_t total) {
  return offset <= total && length <= total - offset;
}

// Throws budget_exceeded, naming the option that lifts the budget, when `used` passes `limit`.
inline void check_budget(uint64_t used, uint64_t limit, std::string_view what,
                         std::string_view option = {}) {
  if (used <= limit) return;
  throw Error(ErrorCode::kBudgetExceeded,
              std::string(what) + ": " + std::to_string(used) + " is over the budget of " +
                  std::to_string(limit),
              {}, option.empty() ? std::string() : "raise " + std::string(option));
}

}  // namespace planish
