// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "base/str.h"
#include "planish/error.h"

namespace planish {
namespace {

// The kernel moves at most 2 GiB less a page in one call.
constexpr size_t kMaxTransfer = size_t{1} << 30;
constexpr size_t kAlignment = 64;

[[noreturn]] void fail(const std::string& action, const std::string& path, int error) {
  std::array<char, 256> buffer{};
  const char* reason = strerror_r(error, buffer.data(), buffer.size());
  throw Error(ErrorCode::kFileError, concat("cannot ", action, " \"", path, "\": ", reason));
}

[[noreturn]] void fail_kind(const std::string& action, const std::string& path, mode_t mode) {
  const char* kind = S_ISDIR(mode)    ? "a folder"
                     : S_ISFIFO(mode) ? "a named pipe"
                     : S_ISSOCK(mode) ? "a socket"
                                      : "a device";
  throw Error(ErrorCode::kFileError,
              concat("cannot ", action, " \"", path, "\": expected a regular file, got ", kind));
}

void check_path(const std::string& path) {
  if (path.empty()) throw Error(ErrorCode::kFileError, "a file's path is empty");
  if (path.find('\0') != std::string::npos)
    throw Error(ErrorCode::kFileError, "a file's path holds a NUL character");
}

int open_retrying(int folder, const char* path, int flags, mode_t mode = 0) {
  int fd = -1;
  do {
    fd = openat(folder, path, flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Where a chain of symbolic links ends; that file need not exist.
std::string follow_links(std::string path) {
  const std::string first = path;
  for (int hops = 0; hops < 40; ++hops) {
    std::array<char, PATH_MAX> target{};
    const ssize_t n = readlink(path.c_str(), target.data(), target.size());
    if (n < 0) return path;
    if (static_cast<size_t>(n) == target.size()) fail("write", first, ENAMETOOLONG);
    const std::string next(target.data(), static_cast<size_t>(n));
    path = !next.empty() && next[0] == '/' ? next : folder_of(path) + "/" + next;
  }
  fail("write", first, ELOOP);
}

void flush_folder(const std::string& folder, const std::string& path) {
  const int fd = open_retrying(AT_FDCWD, folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (fd < 0) return;  // a folder that may be written but not read cannot be flushed
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  // Some file systems cannot flush a folder; they say so.
  if (result != 0 && error != EINVAL && error != ENOTSUP && error != EROFS)
    fail("flush the folder of", path, error);
}

}  // namespace

File::File(const std::string& path) : path_(path) {
  check_path(path);
  adopt(open_retrying(AT_FDCWD, path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY));
}

File::File(int folder_fd, const std::string& relative, int flags, const std::string& shown)
    : path_(shown) {
  check_path(relative);
  adopt(open_retrying(folder_fd, relative.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | flags));
}

void File::adopt(int fd) {
  if (fd < 0) fail("open", path_, errno);
  struct stat status {};
  if (fstat(fd, &status) != 0) {
    const int error = errno;
    close(fd);
    fail("inspect", path_, error);
  }
  if (!S_ISREG(status.st_mode)) {
    close(fd);
    fail_kind("open", path_, status.st_mode);
  }
  fd_ = fd;
  size_ = static_cast<uint64_t>(status.st_size);
}

File::~File() {
  if (fd_ >= 0) close(fd_);
}

File::File(File&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), size_(other.size_), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  return *this;
}

void File::read(uint64_t offset, std::span<std::byte> out) const {
  if (!range_within(offset, out.size(), size_))
    throw Error(ErrorCode::kFileError, concat("\"", path_, "\" has ", size_, " bytes, expected ",
                                              out.size(), " bytes from offset ", offset));
  while (!out.empty()) {
    const ssize_t n =
        pread(fd_, out.data(), std::min(out.size(), kMaxTransfer), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path_, errno);
    if (n == 0)
      throw Error(ErrorCode::kFileError,
                  concat("\"", path_, "\" became shorter while it was read"));
    offset += static_cast<uint64_t>(n);
    out = out.subspan(static_cast<size_t>(n));
  }
}

OwnedBytes File::map(uint64_t offset, uint64_t length) const {
  if (!range_within(offset, length, size_))
    throw Error(ErrorCode::kFileError, concat("\"", path_, "\" has ", size_, " bytes, expected ",
                                              length, " bytes from offset ", offset));
  if (length == 0) return {};
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t lead = offset % page;
  const size_t mapped = static_cast<size_t>(length + lead);
  void* base =
      mmap(nullptr, mapped, PROT_READ, MAP_PRIVATE, fd_, static_cast<off_t>(offset - lead));
  if (base == MAP_FAILED) fail("map", path_, errno);
  std::shared_ptr<const void> owner(
      base, [mapped](const void* p) { munmap(const_cast<void*>(p), mapped); });
  const auto* first = static_cast<const std::byte*>(base) + lead;
  return {.bytes = {first, static_cast<size_t>(length)}, .owner = std::move(owner)};
}

std::shared_ptr<std::byte> allocate_bytes(size_t bytes) {
  if (bytes > SIZE_MAX / 2)
    throw Error(ErrorCode::kOutOfMemory, concat("a block of ", bytes, " bytes does not fit"));
  void* block = std::aligned_alloc(kAlignment, (bytes + kAlignment) / kAlignment * kAlignment);
  if (block == nullptr)
    throw Error(ErrorCode::kOutOfMemory, concat("no memory for a block of ", bytes, " bytes"));
  return {static_cast<std::byte*>(block), [](std::byte* p) { std::free(p); }};
}

OwnedBytes load_file(const std::string& path, FileAccess access) {
  const File file(path);
  if (access == FileAccess::kMap) return file.map(0, file.size());
  const size_t bytes = checked_cast<size_t>(file.size(), path, ErrorCode::kFileError);
  std::shared_ptr<std::byte> block = allocate_bytes(bytes);
  file.read(0, {block.get(), bytes});
  return {.bytes = {block.get(), bytes}, .owner = block};
}

AtomicFile::AtomicFile(const std::string& path) {
  check_path(path);
  target_ = follow_links(path);
  folder_ = folder_of(target_);
  struct stat status {};
  mode_t mode = 0;
  if (stat(target_.c_str(), &status) == 0) {
    if (!S_ISREG(status.st_mode)) fail_kind("write", path, status.st_mode);
    mode = status.st_mode & 0777;
  } else if (target_.back() == '/') {
    fail("write", path, EISDIR);
  }
  // The name is short, so that it fits wherever the target's does.
  for (int attempt = 0; fd_ < 0; ++attempt) {
    static std::atomic<uint32_t> counter{0};
    temporary_ = concat(folder_, "/.planish-", getpid(), "-", counter.fetch_add(1), ".tmp");
    fd_ =
        open_retrying(AT_FDCWD, temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (fd_ < 0 && (errno != EEXIST || attempt == 1000)) {
      const int error = errno;
      temporary_.clear();
      fail("write", path, error);
    }
  }
  if (mode != 0) (void)!fchmod(fd_, mode);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  written_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), std::min(bytes.size(), kMaxTransfer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", target_, errno);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

void AtomicFile::write_zeros(uint64_t count) {
  constexpr std::array<std::byte, 4096> kZeros{};
  for (; count > kZeros.size(); count -= kZeros.size()) write(kZeros);
  write(std::span(kZeros).first(static_cast<size_t>(count)));
}

void AtomicFile::commit() {
  if (fsync(fd_) != 0) fail("flush", target_, errno);
  if (close(std::exchange(fd_, -1)) != 0) fail("close", target_, errno);
  if (rename(temporary_.c_str(), target_.c_str()) != 0) fail("rename a file to", target_, errno);
  temporary_.clear();
  flush_folder(folder_, target_);
}

void write_file(const std::string& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace planish
