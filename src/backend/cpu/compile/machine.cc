// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/compile/machine.h"

#include <cpuid.h>
#include <elf.h>
#include <link.h>

#include <array>
#include <cstring>

#include "backend/cpu/runtime/onednn_library.h"
#include "base/hash.h"
#include "base/str.h"
#include "planish/version.h"

namespace planish::cpu {
namespace {

std::string processor_name() {
  constexpr unsigned kFirst = 0x80000002, kLast = 0x80000004;
  std::array<unsigned, 4 * (kLast - kFirst + 1)> words{};
  for (unsigned leaf = kFirst; leaf <= kLast; ++leaf) {
    unsigned* w = &words[(leaf - kFirst) * 4];
    if (__get_cpuid(leaf, &w[0], &w[1], &w[2], &w[3]) == 0) return "unknown processor";
  }
  std::array<char, sizeof(words) + 1> text{};
  std::memcpy(text.data(), words.data(), sizeof(words));
  std::string name = text.data();
  const size_t first = name.find_first_not_of(' '), last = name.find_last_not_of(' ');
  return first == std::string::npos ? "unknown processor" : name.substr(first, last - first + 1);
}

// The note that the linker puts into a library names its contents.
struct BuildNote {
  uintptr_t address;  // of something in the library
  std::string hash;
};

void read_notes(const char* at, size_t bytes, BuildNote& note) {
  constexpr size_t kAlign = 4;
  const char* end = at + bytes;
  while (at + sizeof(ElfW(Nhdr)) <= end) {
    ElfW(Nhdr) head;
    std::memcpy(&head, at, sizeof(head));
    at += sizeof(head);
    const size_t name = (head.n_namesz + kAlign - 1) / kAlign * kAlign;
    const size_t data = (head.n_descsz + kAlign - 1) / kAlign * kAlign;
    if (name + data > static_cast<size_t>(end - at)) return;
    if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 && std::memcmp(at, "GNU", 4) == 0) {
      note.hash = hash128(std::string_view(at + name, head.n_descsz)).hex();
      return;
    }
    at += name + data;
  }
}

int visit_library(dl_phdr_info* info, size_t, void* user) {
  auto& note = *static_cast<BuildNote*>(user);
  bool is_it = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& p = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + p.p_vaddr;
    is_it |= p.p_type == PT_LOAD && note.address >= begin && note.address < begin + p.p_memsz;
  }
  if (!is_it) return 0;
  for (int i = 0; i < info->dlpi_phnum && note.hash.empty(); ++i) {
    const ElfW(Phdr)& p = info->dlpi_phdr[i];
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader gives addresses as numbers
    const auto* at = reinterpret_cast<const char*>(info->dlpi_addr + p.p_vaddr);
    if (p.p_type == PT_NOTE) read_notes(at, p.p_memsz, note);
  }
  return 1;
}

// Of the library that holds what lies at the address; the version, if it was linked without.
std::string build_at(uintptr_t address) {
  BuildNote note{.address = address, .hash = {}};
  dl_iterate_phdr(visit_library, &note);
  return note.hash.empty() ? PLANISH_VERSION : note.hash;
}

}  // namespace

double multiplications_per_second(Isa isa) {
  switch (isa) {
    case Isa::avx512: return 40e9;
    case Isa::avx2: return 25e9;
    case Isa::plain: return 5e9;
  }
  return 5e9;
}

std::string machine_identity(Isa isa, int threads) {
  static const std::string kMachine =
      concat(processor_name(), ", kernels ", build_at(reinterpret_cast<uintptr_t>(&isa_name)));
  return concat(kMachine, ", ", isa_name(isa), ", threads ", threads, "\n");
}

std::string onednn_identity() {
  const OnednnTable* table = find_onednn();
  if (table == nullptr) return "oneDNN missing\n";
  static const std::string kIdentity = concat("oneDNN ", table->onednn_version(), ", steps ",
                                              build_at(reinterpret_cast<uintptr_t>(table)), "\n");
  return kIdentity;
}

}  // namespace planish::cpu
