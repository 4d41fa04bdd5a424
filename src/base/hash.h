// SPDX-License-Identifier: Apache-2.0
// XXH3 hashes of bytes: for cache keys and damage detection, not for security.
// The value depends on the bytes alone: the same on every machine and in every version.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace planish {

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;

  auto operator<=>(const Hash128&) const = default;
  std::string hex() const;  // 32 lower-case digits, high half first
};

uint64_t hash64(const void* data, size_t bytes, uint64_t seed = 0);
Hash128 hash128(const void* data, size_t bytes);

inline uint64_t hash64(std::string_view text) { return hash64(text.data(), text.size()); }
inline Hash128 hash128(std::string_view text) { return hash128(text.data(), text.size()); }
inline uint64_t hash64(std::span<const std::byte> bytes) {
  return hash64(bytes.data(), bytes.size());
}
inline Hash128 hash128(std::span<const std::byte> bytes) {
  return hash128(bytes.data(), bytes.size());
}

// Hashes a stream of pieces; the digest equals hash64 / hash128 of their concatenation.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  Hasher& update(const void* data, size_t bytes);

  // Length-prefixed, so that ("ab", "c") and ("a", "bc") differ.
  Hasher& add(std::string_view text);

  template <typename T>
    requires(std::is_arithmetic_v<T> || std::is_enum_v<T>)
  Hasher& add(T value) {
    return update(&value, sizeof(value));
  }

  template <typename T>
    requires(std::is_arithmetic_v<T> || std::is_enum_v<T>)
  Hasher& add(std::span<const T> values) {
    add(static_cast<uint64_t>(values.size()));
    return update(values.data(), values.size_bytes());
  }

  uint64_t digest64() const;
  Hash128 digest128() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace planish

template <>
struct std::hash<planish::Hash128> {
  size_t operator()(const planish::Hash128& value) const noexcept { return value.low; }
};
