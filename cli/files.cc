// SPDX-License-Identifier: Apache-2.0
#include "files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace planish::cli {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string reason() { return std::strerror(errno); }

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

}  // namespace

void fail_file(const std::string& path, const std::string& what, const std::string& hint) {
  throw Error(ErrorCode::kFileError, "\"" + path + "\": " + what, "", hint);
}

std::string read_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) fail_file(path, "cannot be opened: " + reason());
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) fail_file(path, "cannot be read: " + reason());
  if (!S_ISREG(info.st_mode)) fail_file(path, "is no regular file");
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size > kMaxInputBytes)
    fail_file(path, "has " + std::to_string(size) + " bytes, expected at most " +
                        std::to_string(kMaxInputBytes));
  std::string out(size, '\0');
  size_t at = 0;
  while (at < out.size()) {
    const ssize_t n = ::read(file.get(), out.data() + at, out.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_file(path, "cannot be read: " + reason());
    if (n == 0) break;
    at += static_cast<size_t>(n);
  }
  out.resize(at);
  return out;
}

void write_file(const std::string& path, std::string_view bytes) {
  std::string temporary = path + ".XXXXXX";
  std::string failed;
  {
    const Descriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
    if (file.get() < 0) fail_file(path, "cannot be written: " + reason());
    const mode_t mask = ::umask(0);
    ::umask(mask);
    if (!write_all(file.get(), bytes) || ::fchmod(file.get(), 0666 & ~mask) != 0 ||
        ::fsync(file.get()) != 0)
      failed = reason();
  }
  if (failed.empty() && ::rename(temporary.c_str(), path.c_str()) != 0) failed = reason();
  if (!failed.empty()) {
    ::unlink(temporary.c_str());
    fail_file(path, "cannot be written: " + failed);
  }
  std::string folder = fs::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  const Descriptor parent(::open(folder.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY));
  if (parent.get() >= 0) ::fsync(parent.get());
}

void make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error || !fs::is_directory(path, error))
    fail_file(path, "cannot be made a folder: " +
                        (error ? error.message() : std::string("a file has this name")));
}

std::string extension(const std::string& path) {
  std::string out = fs::path(path).extension().string();
  if (!out.empty()) out.erase(0, 1);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace planish::cli
