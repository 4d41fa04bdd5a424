// SPDX-License-Identifier: Apache-2.0
#include "plan/reader.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "base/str.h"
#include "plan/decode.h"
#include "plan/file_format.h"
#include "plan/verify.h"
#include "planish/error.h"
#include "planish/version.h"

namespace planish::plan {
namespace {

using Bytes = std::span<const std::byte>;

[[noreturn]] void fail(const std::string& what, std::string hint = {}) {
  throw Error(ErrorCode::kInvalidPlan, concat("the plan is damaged: ", what), {}, std::move(hint));
}

// Text of a file that nobody has checked: printable ASCII alone.
std::string printable(std::string text) {
  for (char& c : text)
    if (c < ' ' || c > '~') c = '?';
  return text;
}

bool is_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// Chunks of the sections that are checked when they are used.
class ChunkCheck final : public DeferredCheck {
 public:
  struct Chunk {
    Bytes bytes;
    Hash128 hash;
  };
  ChunkCheck(std::vector<Chunk> chunks, std::shared_ptr<const void> owner)
      : chunks_(std::move(chunks)), owner_(std::move(owner)) {}

  void run(int threads) const override {
    if (is_done_.load(std::memory_order_acquire)) return;
    std::atomic<size_t> next{0};
    std::atomic<bool> is_damaged{false};
    const auto work = [&] {
      for (size_t i = next++; i < chunks_.size() && !is_damaged.load(std::memory_order_relaxed);
           i = next++)
        if (hash128(chunks_[i].bytes) != chunks_[i].hash)
          is_damaged.store(true, std::memory_order_relaxed);
    };
    std::vector<std::thread> helpers;
    const size_t wanted =
        std::min<size_t>(chunks_.size(), static_cast<size_t>(std::clamp(threads, 1, 16)));
    try {
      while (helpers.size() + 1 < wanted) helpers.emplace_back(work);
    } catch (const std::system_error&) {
      // No more threads to be had: those that there are will do.
    }
    work();
    for (std::thread& helper : helpers) helper.join();
    if (is_damaged.load()) fail("its weights do not have the hash that they were written with");
    is_done_.store(true, std::memory_order_release);
  }

 private:
  std::vector<Chunk> chunks_;
  std::shared_ptr<const void> owner_;
  mutable std::atomic<bool> is_done_{false};
};

class FileReader {
 public:
  explicit FileReader(const OwnedBytes& file) : file_(file), bytes_(file.bytes) {}

  Plan run(bool defer_check) {
    read_header();
    read_table();
    Plan plan = decode(of_kind(file::Kind::kTables), weights());
    if (plan.made_by.substr(0, file::kVersionBytes - 1) != made_by_ || plan.rebuild != rebuild_)
      fail("its header and its tables differ");
    read_foreign(plan);
    read_hashes(plan);
    verify(plan);
    if (!defer_check) {
      plan.unchecked->run(static_cast<int>(std::thread::hardware_concurrency()));
      plan.unchecked = nullptr;
    }
    return plan;
  }

 private:
  template <class T>
  T at(uint64_t offset) const {
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(value));
    return value;
  }

  void read_header() {
    if (bytes_.size() < file::kMagic.size() ||
        std::memcmp(bytes_.data(), file::kMagic.data(), file::kMagic.size()) != 0)
      throw Error(ErrorCode::kInvalidPlan, "this is not a plan of Planish", {},
                  "a model is built into a plan first: planish build MODEL.onnx -o MODEL.plan");
    if (bytes_.size() < file::kCommandOffset) fail(concat("it has only ", bytes_.size(), " bytes"));
    const uint64_t total = at<uint64_t>(16);
    if (total != bytes_.size())
      fail(concat("it was written with ", total, " bytes and has ", bytes_.size()),
           "copy the file again, or build it again");
    header_bytes_ = at<uint32_t>(12);
    const uint32_t command = at<uint32_t>(28);
    if (header_bytes_ < file::kCommandOffset || header_bytes_ > bytes_.size() ||
        command > header_bytes_ - file::kCommandOffset)
      fail("its header has no valid size");
    if (file::header_hash(bytes_.first(header_bytes_)) != at<Hash128>(file::kHashOffset))
      fail("its header does not have the hash that it was written with");
    const auto* text = reinterpret_cast<const char*>(bytes_.data());
    made_by_.assign(text + 32, strnlen(text + 32, file::kVersionBytes));
    rebuild_.assign(text + file::kCommandOffset, command);
    check_format();
  }

  void check_format() const {
    const uint32_t format = at<uint32_t>(8);
    if (format == kFormatVersion) return;
    const std::string command =
        rebuild_.empty() ? "planish build MODEL.onnx -o MODEL.plan" : printable(rebuild_);
    throw Error(ErrorCode::kVersionMismatch,
                concat("the plan was made by Planish ", printable(made_by_), " (format ", format,
                       "); this is Planish ", PLANISH_VERSION, " (format ", kFormatVersion, ")"),
                {}, concat("build it again: ", command));
  }

  void read_table() {
    const uint32_t count = at<uint32_t>(24);
    const uint64_t table = file::kCommandOffset + (uint64_t{rebuild_.size()} + 7) / 8 * 8;
    if (count < 2 || count > file::kMaxSections ||
        (table + count * file::kSectionBytes + file::kHeaderAlignment - 1) /
                file::kHeaderAlignment * file::kHeaderAlignment !=
            header_bytes_)
      fail("its table of sections has no valid size");
    const uint64_t command_end = file::kCommandOffset + rebuild_.size();
    const uint64_t table_end = table + count * file::kSectionBytes;
    require_zero(command_end, table);
    require_zero(table_end, header_bytes_);
    uint64_t end = header_bytes_;
    uint32_t previous = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const auto section = at<file::SectionEntry>(table + i * file::kSectionBytes);
      check_order(i, section.kind, previous);
      const uint64_t offset =
          checked_align_up(end, file::alignment_of(static_cast<file::Kind>(section.kind)),
                           "a section", ErrorCode::kInvalidPlan);
      if (section.zero != 0 || section.zero2 != 0 || section.offset != offset ||
          !range_within(section.offset, section.length, bytes_.size()))
        fail(concat("section ", i, " is not in its place"));
      require_zero(end, offset);
      const Bytes bytes =
          bytes_.subspan(static_cast<size_t>(offset), static_cast<size_t>(section.length));
      const bool has_hash = section.kind <= static_cast<uint32_t>(file::Kind::kHashes);
      if (section.hash != (has_hash ? hash128(bytes) : Hash128{}))
        fail(concat("section ", i, " does not have the hash that it was written with"));
      sections_.push_back({static_cast<file::Kind>(section.kind), bytes});
      previous = section.kind;
      end = offset + section.length;
    }
    if (end != bytes_.size()) fail("it has bytes after its last section");
  }

  // tables, hashes, at most one of weights, foreign ones.
  static void check_order(uint32_t i, uint32_t kind, uint32_t previous) {
    const bool is_right = i == 0   ? kind == 1
                          : i == 1 ? kind == 2
                                   : (kind == 3 && previous == 2) || (kind == 4 && previous >= 2);
    if (!is_right)
      fail(concat("section ", i, " is of kind ", kind, ", which does not belong there"));
  }

  void require_zero(uint64_t first, uint64_t last) const {
    if (!is_zero(bytes_.subspan(static_cast<size_t>(first), static_cast<size_t>(last - first))))
      fail("there are bytes where none belong");
  }

  Bytes of_kind(file::Kind kind) const {
    for (const auto& [section_kind, bytes] : sections_)
      if (section_kind == kind) return bytes;
    return {};
  }

  OwnedBytes weights() const {
    return {.bytes = of_kind(file::Kind::kWeights), .owner = file_.owner};
  }

  void read_foreign(Plan& plan) const {
    size_t i = 0;
    for (const auto& [kind, bytes] : sections_) {
      if (kind != file::Kind::kForeign) continue;
      if (i == plan.sections.size()) fail("a section has no name");
      plan.sections[i++].data = {.bytes = bytes, .owner = file_.owner};
    }
    if (i != plan.sections.size()) fail("a section is missing");
  }

  void read_hashes(Plan& plan) const {
    const Bytes hashes = of_kind(file::Kind::kHashes);
    std::vector<ChunkCheck::Chunk> chunks;
    for (const auto& [kind, bytes] : sections_) {
      if (kind != file::Kind::kWeights && kind != file::Kind::kForeign) continue;
      for (Bytes rest = bytes; !rest.empty();) {
        const size_t n = std::min<size_t>(rest.size(), file::kChunkBytes);
        const size_t place = chunks.size() * sizeof(Hash128);
        if (!range_within(place, sizeof(Hash128), hashes.size())) fail("hashes are missing");
        Hash128 hash;
        std::memcpy(&hash, hashes.data() + place, sizeof(hash));
        chunks.push_back({rest.first(n), hash});
        rest = rest.subspan(n);
      }
    }
    if (chunks.size() * sizeof(Hash128) != hashes.size()) fail("it has too many hashes");
    plan.unchecked = std::make_shared<ChunkCheck>(std::move(chunks), file_.owner);
  }

  const OwnedBytes& file_;
  Bytes bytes_;
  uint32_t header_bytes_ = 0;
  std::string made_by_;
  std::string rebuild_;
  std::vector<std::pair<file::Kind, Bytes>> sections_;
};

}  // namespace

Plan read_plan(const OwnedBytes& bytes, bool defer_check) {
  return FileReader(bytes).run(defer_check);
}

Plan read_plan(std::span<const std::byte> bytes) {
  std::shared_ptr<std::byte> block = allocate_bytes(bytes.size());
  if (!bytes.empty()) std::memcpy(block.get(), bytes.data(), bytes.size());
  return read_plan({.bytes = {block.get(), bytes.size()}, .owner = block}, false);
}

Plan load_plan(const std::string& path, FileAccess access) {
  return read_plan(load_file(path, access), access == FileAccess::kMap);
}

}  // namespace planish::plan
