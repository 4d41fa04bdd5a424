// SPDX-License-Identifier: Apache-2.0
// Opening and writing files so that nothing hangs, leaks or is lost.
//
// Reading takes regular files only: a FIFO, device or folder is refused without blocking. Writing
// goes to a temporary file of the same folder, which is flushed and renamed, and then the folder is
// flushed: whoever is killed at any moment leaves the old file or the new one. All failures are
// kFileError with the path and the system's reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace planish {

// Bytes and whatever keeps them alive.
struct OwnedBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};

// A regular file, open for reading.
class File {
 public:
  explicit File(const std::string& path);
  // `relative` is opened below the folder that `folder_fd` refers to; `flags` are added to the
  // open (O_NOFOLLOW). `shown` is the path for messages.
  File(int folder_fd, const std::string& relative, int flags, const std::string& shown);
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;

  const std::string& path() const { return path_; }
  int fd() const { return fd_; }
  uint64_t size() const { return size_; }

  // Both require [offset, offset + length) to lie in the file (kFileError: it is cut off).
  void read(uint64_t offset, std::span<std::byte> out) const;
  // The mapping is read-only and outlives this object. Any offset will do.
  OwnedBytes map(uint64_t offset, uint64_t length) const;

 private:
  void adopt(int fd);
  int fd_ = -1;
  uint64_t size_ = 0;
  std::string path_;
};

// The whole file, mapped, or read into memory aligned to 64 bytes.
enum class FileAccess : uint8_t { kMap, kCopy };
OwnedBytes load_file(const std::string& path, FileAccess access = FileAccess::kMap);

// Memory aligned to 64 bytes. Throws kOutOfMemory.
std::shared_ptr<std::byte> allocate_bytes(size_t bytes);

// A file that comes into being at commit(). Destroyed without it, nothing has changed. A path that
// is a symbolic link stays one: the file that it leads to is replaced. Something that is there
// already and is not a regular file is refused.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  void write_zeros(uint64_t count);
  uint64_t written() const { return written_; }
  void commit();

 private:
  std::string target_;
  std::string folder_;
  std::string temporary_;
  int fd_ = -1;
  uint64_t written_ = 0;
};

void write_file(const std::string& path, std::span<const std::byte> bytes);

}  // namespace planish
