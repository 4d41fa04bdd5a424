// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/runtime/code_archive.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/str.h"
#include "planish/error.h"

namespace planish::cuda {
namespace {

constexpr uint32_t kMagic = 0x31435043;  // "CPC1"
constexpr size_t kHeader = 8;
constexpr size_t kEntry = kKeyLength + 16;
constexpr size_t kAlignment = 16;
constexpr uint32_t kMostCodes = 1 << 20;

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kInvalidPlan, concat("the plan's machine code: ", what));
}

template <class T>
T read(std::span<const std::byte> bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

// The driver takes no length, so what its headers claim must lie inside.
void check_elf(std::span<const std::byte> code) {
  if (code.size() < sizeof(Elf64_Ehdr)) fail("a code is too short");
  const auto header = read<Elf64_Ehdr>(code, 0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
    fail("a code is no ELF file");
  const uint64_t sections = uint64_t{header.e_shnum} * sizeof(Elf64_Shdr);
  const uint64_t segments = uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
  if (!range_within(header.e_shoff, sections, code.size()) ||
      !range_within(header.e_phoff, segments, code.size()))
    fail("a code is cut off");
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    const auto section = read<Elf64_Shdr>(code, header.e_shoff + i * sizeof(Elf64_Shdr));
    if (section.sh_type != SHT_NOBITS &&
        !range_within(section.sh_offset, section.sh_size, code.size()))
      fail("a section of a code is cut off");
  }
}

size_t aligned(size_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

std::string section_name(std::string_view target) { return concat("cuda/", target); }

std::vector<std::byte> write_archive(const std::map<std::string, Code>& codes) {
  std::vector<std::byte> out(aligned(kHeader + codes.size() * kEntry));
  const auto count = static_cast<uint32_t>(codes.size());
  std::memcpy(out.data(), &kMagic, 4);
  std::memcpy(out.data() + 4, &count, 4);
  size_t at = kHeader;
  for (const auto& [key, code] : codes) {
    if (key.size() != kKeyLength)
      throw Error(ErrorCode::kInternal, concat("\"", key, "\" is no key of a kernel"));
    const uint64_t place[2] = {out.size(), code.size()};
    std::memcpy(out.data() + at, key.data(), kKeyLength);
    std::memcpy(out.data() + at + kKeyLength, place, sizeof(place));
    at += kEntry;
    out.insert(out.end(), code.begin(), code.end());
    out.resize(aligned(out.size()));
  }
  return out;
}

std::map<std::string, std::span<const std::byte>, std::less<>> read_archive(
    std::span<const std::byte> bytes) {
  if (bytes.size() < kHeader || read<uint32_t>(bytes, 0) != kMagic) fail("it has no valid header");
  const auto count = read<uint32_t>(bytes, 4);
  if (count > kMostCodes || kHeader + count * kEntry > bytes.size()) fail("its table is cut off");
  std::map<std::string, std::span<const std::byte>, std::less<>> out;
  for (uint32_t i = 0; i < count; ++i) {
    const size_t at = kHeader + i * kEntry;
    std::string key(reinterpret_cast<const char*>(bytes.data() + at), kKeyLength);
    const auto offset = read<uint64_t>(bytes, at + kKeyLength);
    const auto size = read<uint64_t>(bytes, at + kKeyLength + 8);
    if (!range_within(offset, size, bytes.size())) fail(concat("code ", i, " is cut off"));
    if (!out.empty() && !(out.rbegin()->first < key)) fail("its keys are out of order");
    check_elf(bytes.subspan(offset, size));
    out.emplace_hint(out.end(), std::move(key), bytes.subspan(offset, size));
  }
  return out;
}

}  // namespace planish::cuda
