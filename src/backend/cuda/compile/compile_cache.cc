// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/compile_cache.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "planish/error.h"

namespace planish::cuda {
namespace {

struct Header {
  uint64_t magic = 0;
  uint64_t bytes = 0;
  Hash128 hash;
};
constexpr uint64_t kMagic = 0x31454843414350;  // "PCACHE1"

// By the XDG convention.
std::string user_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/')
    return concat(cache, "/planish/kernels");
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/')
    return concat(home, "/.cache/planish/kernels");
  return {};
}

}  // namespace

CompileCache::CompileCache(const std::string& folder)
    : folder_(folder == "none" ? std::string()
              : folder.empty() ? user_folder()
                               : folder) {
  std::error_code error;
  if (!folder_.empty()) std::filesystem::create_directories(folder_, error);
  if (error) folder_.clear();
}

std::string CompileCache::path_of(const std::string& key) const {
  return concat(folder_, "/", key, ".bin");
}

std::optional<Code> CompileCache::find(const std::string& key) const {
  if (folder_.empty()) return std::nullopt;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path_of(key), ignored)) return std::nullopt;
  try {
    const OwnedBytes file = load_file(path_of(key), FileAccess::kCopy);
    Header header;
    if (file.bytes.size() < sizeof(header)) return std::nullopt;
    std::memcpy(&header, file.bytes.data(), sizeof(header));
    const auto code = file.bytes.subspan(sizeof(header));
    if (header.magic != kMagic || header.bytes != code.size() || header.hash != hash128(code))
      return std::nullopt;
    return Code(code.begin(), code.end());
  } catch (const Error&) {
    return std::nullopt;  // gone or unreadable: as if it had never been there
  }
}

void CompileCache::keep(const std::string& key, const Code& code) const {
  if (folder_.empty()) return;
  try {
    const Header header{kMagic, code.size(), hash128(std::span<const std::byte>(code))};
    AtomicFile file(path_of(key));
    file.write(std::as_bytes(std::span(&header, 1)));
    file.write(code);
    file.commit();
  } catch (const Error&) {
    // A full or read-only disk costs time, not the build.
  }
}

}  // namespace planish::cuda
