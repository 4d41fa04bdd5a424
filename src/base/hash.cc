// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace planish {

namespace {

Hash128 from_xxh(XXH128_hash_t value) { return {.low = value.low64, .high = value.high64}; }

}  // namespace

std::string Hash128::hex() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(32, '0');
  for (int i = 0; i < 16; ++i) {
    text[15 - i] = kDigits[(high >> (4 * i)) & 15];
    text[31 - i] = kDigits[(low >> (4 * i)) & 15];
  }
  return text;
}

uint64_t hash64(const void* data, size_t bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(data, bytes, seed);
}

Hash128 hash128(const void* data, size_t bytes) { return from_xxh(XXH3_128bits(data, bytes)); }

// The 64-bit and the 128-bit digest read the same running state.
struct Hasher::State {
  alignas(64) XXH3_state_t xxh;
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
  XXH3_INITSTATE(&state_->xxh);
  XXH3_128bits_reset(&state_->xxh);
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

Hasher& Hasher::update(const void* data, size_t bytes) {
  if (bytes != 0) XXH3_128bits_update(&state_->xxh, data, bytes);
  return *this;
}

Hasher& Hasher::add(std::string_view text) {
  add(static_cast<uint64_t>(text.size()));
  return update(text.data(), text.size());
}

uint64_t Hasher::digest64() const { return XXH3_64bits_digest(&state_->xxh); }

Hash128 Hasher::digest128() const { return from_xxh(XXH3_128bits_digest(&state_->xxh)); }

}  // namespace planish
