// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <gtest/gtest.h>

#include <vector>

namespace planish {
namespace {

// Values of the XXH3 specification for the empty input: they pin the algorithm, since plans and
// timing caches keep hashes on disk.
TEST(Hash, EmptyInputMatchesTheSpecification) {
  EXPECT_EQ(hash64(std::string_view{}), 0x2D06800538D394C2ULL);
  EXPECT_EQ(hash128(std::string_view{}).hex(), "99aa06d3014798d86001c324468d497f");
}

TEST(Hash, StreamEqualsWholeWhateverThePieces) {
  std::vector<unsigned char> data(5000);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<unsigned char>(i * 37 + i / 256);
  for (size_t piece : {1u, 7u, 64u, 1024u, 5000u}) {
    Hasher hasher;
    for (size_t at = 0; at < data.size(); at += piece) {
      hasher.update(data.data() + at, std::min(piece, data.size() - at));
    }
    EXPECT_EQ(hasher.digest64(), hash64(data.data(), data.size()));
    EXPECT_EQ(hasher.digest128(), hash128(data.data(), data.size()));
  }
}

TEST(Hash, TextIsLengthPrefixed) {
  const auto digest = [](std::string_view a, std::string_view b) {
    return Hasher().add(a).add(b).digest128();
  };
  EXPECT_NE(digest("ab", "c"), digest("a", "bc"));
  EXPECT_EQ(digest("ab", "c"), digest("ab", "c"));
}

}  // namespace
}  // namespace planish
