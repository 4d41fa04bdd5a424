// SPDX-License-Identifier: Apache-2.0
// How a plan lies in a file. All numbers are little-endian.
//
//   offset  bytes
//   0       8     magic
//   8       4     number of the format
//   12      4     bytes of the header: all up to the first section, a multiple of 64
//   16      8     bytes of the file
//   24      4     number of sections
//   28      4     bytes of the rebuild command
//   32      64    version of Planish that made the plan, padded with zeros
//   96      16    XXH3-128 of the header without these 16 bytes
//   112           the rebuild command, padded with zeros to a multiple of 8
//                 the sections, 48 bytes each: kind (4), zero (4), offset (8), length (8),
//                 XXH3-128 (16), zero (8)
//                 zeros up to a multiple of 64
//
// Everything above up to the sections is permanent: a reader of any version can tell which version
// made a plan and how to make it again. Sections follow in the order of the table, each at the next
// multiple of its alignment, with zeros between:
//
//   tables   one; flatbuffers, see plan.fbs
//   hashes   one; XXH3-128 of every chunk of 4 MiB of the sections that follow
//   weights  at most one; tensors, each at the next multiple of 64
//   foreign  any number; named in the tables
//
// The sections after `hashes` carry no hash in the table: their chunks have theirs, so that they
// can be checked in parallel, and only when they are used. So every byte of a file is held by a
// hash, or is a zero that is looked at.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/hash.h"

namespace planish::plan::file {

inline constexpr std::array<unsigned char, 8> kMagic = {0x89, 'P', 'L', 'A', 'N', '\r', '\n', 0x1A};
inline constexpr size_t kVersionBytes = 64;
inline constexpr size_t kHashOffset = 96;
inline constexpr size_t kCommandOffset = 112;
inline constexpr size_t kSectionBytes = 48;
inline constexpr size_t kHeaderAlignment = 64;
inline constexpr uint64_t kChunkBytes = uint64_t{4} << 20;
inline constexpr size_t kTensorAlignment = 64;
// Larger tensors lie in the section of weights.
inline constexpr size_t kMaxInlineBytes = 1024;
// Offsets of flatbuffers have 32 bits, one of which is a sign.
inline constexpr uint64_t kMaxTableBytes = (uint64_t{1} << 31) - 16;
inline constexpr uint32_t kMaxSections = 1024;
inline constexpr uint32_t kMaxCommandBytes = 1 << 16;

enum class Kind : uint32_t { kTables = 1, kHashes = 2, kWeights = 3, kForeign = 4 };

// Weights and code are mapped: they start at a page.
inline constexpr uint64_t alignment_of(Kind kind) {
  return kind == Kind::kTables || kind == Kind::kHashes ? 64 : 4096;
}

struct SectionEntry {
  uint32_t kind;
  uint32_t zero;
  uint64_t offset;
  uint64_t length;
  Hash128 hash;
  uint64_t zero2;
};
static_assert(sizeof(SectionEntry) == kSectionBytes);

inline Hash128 header_hash(std::span<const std::byte> header) {
  return Hasher()
      .update(header.data(), kHashOffset)
      .update(header.data() + kCommandOffset, header.size() - kCommandOffset)
      .digest128();
}

inline uint64_t chunk_count(uint64_t bytes) {
  return bytes / kChunkBytes + (bytes % kChunkBytes != 0);
}

}  // namespace planish::plan::file
