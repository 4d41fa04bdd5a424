// SPDX-License-Identifier: Apache-2.0
#include "plan/writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <span>
#include <thread>

#include "base/checked.h"
#include "base/file.h"
#include "base/str.h"
#include "plan/encode.h"
#include "plan/file_format.h"
#include "plan/verify.h"
#include "planish/error.h"

namespace planish::plan {
namespace {

static_assert(std::endian::native == std::endian::little, "plans are little-endian");

using Bytes = std::span<const std::byte>;
// Takes the next bytes of the file.
using Sink = std::function<void(Bytes)>;

void put_zeros(const Sink& sink, uint64_t count) {
  constexpr std::array<std::byte, 4096> kZeros{};
  for (; count != 0; count -= std::min<uint64_t>(count, kZeros.size()))
    sink(std::span(kZeros).first(static_cast<size_t>(std::min<uint64_t>(count, kZeros.size()))));
}

// Hashes of the chunks of a stream.
class ChunkHasher {
 public:
  void update(Bytes bytes) {
    while (!bytes.empty()) {
      const size_t n = std::min<size_t>(bytes.size(), file::kChunkBytes - filled_);
      hasher_.update(bytes.data(), n);
      filled_ += n;
      bytes = bytes.subspan(n);
      if (filled_ == file::kChunkBytes) close();
    }
  }
  // The end of a section.
  void close() {
    if (filled_ == 0) return;
    hashes_.push_back(hasher_.digest128());
    hasher_ = Hasher();
    filled_ = 0;
  }
  const std::vector<Hash128>& hashes() const { return hashes_; }

 private:
  Hasher hasher_;
  size_t filled_ = 0;
  std::vector<Hash128> hashes_;
};

class FileLayout {
 public:
  explicit FileLayout(const Plan& plan) : plan_(plan), encoded_(encode(plan)) {
    hash_chunks();
    lay_out();
    make_header();
  }

  uint64_t total_bytes() const { return total_; }

  void write(const Sink& sink) const {
    sink(header_);
    uint64_t at = header_.size();
    size_t foreign = 0;
    for (const file::SectionEntry& section : sections_) {
      put_zeros(sink, section.offset - at);
      switch (static_cast<file::Kind>(section.kind)) {
        case file::Kind::kTables: sink(encoded_.tables); break;
        case file::Kind::kHashes: sink(std::as_bytes(std::span(hashes_))); break;
        case file::Kind::kWeights: put_weights(sink); break;
        case file::Kind::kForeign: sink(plan_.sections[foreign++].data.bytes); break;
      }
      at = section.offset + section.length;
    }
  }

 private:
  void put_weights(const Sink& sink) const {
    uint64_t at = 0;
    for (const Bytes piece : encoded_.weights) {
      const uint64_t offset = checked_align_up(at, file::kTensorAlignment, "bytes of weights");
      put_zeros(sink, offset - at);
      sink(piece);
      at = offset + piece.size();
    }
  }

  void hash_chunks() {
    ChunkHasher hasher;
    put_weights([&](Bytes bytes) { hasher.update(bytes); });
    hasher.close();
    for (const Section& section : plan_.sections) {
      hasher.update(section.data.bytes);
      hasher.close();
    }
    hashes_ = hasher.hashes();
  }

  void add_section(file::Kind kind, uint64_t length, Hash128 hash) {
    const uint64_t offset = checked_align_up(total_, file::alignment_of(kind), "bytes of the plan");
    sections_.push_back({static_cast<uint32_t>(kind), 0, offset, length, hash, 0});
    total_ = checked_add(offset, length, "bytes of the plan");
  }

  void lay_out() {
    const size_t count = 2 + (encoded_.weight_bytes != 0) + plan_.sections.size();
    if (count > file::kMaxSections || plan_.rebuild.size() > file::kMaxCommandBytes)
      throw Error(ErrorCode::kUnsupported, "the plan has too many sections or too long a command");
    const uint64_t command = checked_align_up(plan_.rebuild.size(), 8, "bytes of the header");
    total_ = checked_align_up(file::kCommandOffset + command + count * file::kSectionBytes,
                              file::kHeaderAlignment, "bytes of the header");
    header_.resize(static_cast<size_t>(total_));
    add_section(file::Kind::kTables, encoded_.tables.size(), hash128(Bytes(encoded_.tables)));
    const Bytes hashes = std::as_bytes(std::span(hashes_));
    add_section(file::Kind::kHashes, hashes.size(), hash128(hashes));
    if (encoded_.weight_bytes != 0) add_section(file::Kind::kWeights, encoded_.weight_bytes, {});
    for (const Section& section : plan_.sections)
      add_section(file::Kind::kForeign, section.data.bytes.size(), {});
  }

  template <class T>
  void put(size_t offset, T value) {
    std::memcpy(header_.data() + offset, &value, sizeof(value));
  }

  void make_header() {
    std::memcpy(header_.data(), file::kMagic.data(), file::kMagic.size());
    put<uint32_t>(8, kFormatVersion);
    put<uint32_t>(12, static_cast<uint32_t>(header_.size()));
    put<uint64_t>(16, total_);
    put<uint32_t>(24, static_cast<uint32_t>(sections_.size()));
    put<uint32_t>(28, static_cast<uint32_t>(plan_.rebuild.size()));
    std::memcpy(header_.data() + 32, plan_.made_by.data(),
                std::min(plan_.made_by.size(), file::kVersionBytes - 1));
    if (!plan_.rebuild.empty())
      std::memcpy(header_.data() + file::kCommandOffset, plan_.rebuild.data(),
                  plan_.rebuild.size());
    const size_t table = file::kCommandOffset + (plan_.rebuild.size() + 7) / 8 * 8;
    std::memcpy(header_.data() + table, sections_.data(),
                sections_.size() * sizeof(file::SectionEntry));
    put<Hash128>(file::kHashOffset, file::header_hash(header_));
  }

  const Plan& plan_;
  EncodedPlan encoded_;
  std::vector<Hash128> hashes_;
  std::vector<file::SectionEntry> sections_;
  std::vector<std::byte> header_;
  uint64_t total_ = 0;
};

void check_before_writing(const Plan& plan) {
  verify(plan);
  // Damage must not be given a fresh hash.
  if (plan.unchecked != nullptr)
    plan.unchecked->run(static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

std::vector<std::byte> write_plan(const Plan& plan) {
  check_before_writing(plan);
  const FileLayout layout(plan);
  std::vector<std::byte> out;
  out.reserve(static_cast<size_t>(layout.total_bytes()));
  layout.write([&](Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); });
  return out;
}

void save_plan(const Plan& plan, const std::string& path) {
  check_before_writing(plan);
  const FileLayout layout(plan);
  AtomicFile out(path);
  layout.write([&](Bytes bytes) { out.write(bytes); });
  out.commit();
}

}  // namespace planish::plan
