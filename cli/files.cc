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
#include <memory>
#include <utility>

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

// Where a chain of symbolic links ends; that file need not exist.
std::string follow_links(std::string path) {
  const std::string first = path;
  for (int hops = 0; hops < 40; ++hops) {
    std::error_code error;
    const fs::path next = fs::read_symlink(path, error);
    if (error) return path;
    path = next.is_absolute() ? next.string() : (fs::path(path).parent_path() / next).string();
  }
  fail_file(first, "cannot be written: " + std::string(std::strerror(ELOOP)));
}

bool is_standard_output(const struct stat& info) {
  struct stat out {};
  return ::fstat(STDOUT_FILENO, &out) == 0 && out.st_dev == info.st_dev &&
         out.st_ino == info.st_ino;
}

// Pipes and devices take the bytes as they come; the standard output does so where it stands, a
// regular file too.
void write_straight(const std::string& path, const struct stat& info, std::string_view bytes) {
  if (S_ISDIR(info.st_mode)) fail_file(path, "cannot be written: is a folder");
  if (S_ISBLK(info.st_mode)) fail_file(path, "cannot be written: is a block device");
  if (is_standard_output(info)) {
    std::fflush(stdout);
    if (!write_all(STDOUT_FILENO, bytes)) fail_file(path, "cannot be written: " + reason());
    return;
  }
  // A pipe that nobody reads must not block; once open, it may.
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (file.get() < 0 || ::fcntl(file.get(), F_SETFL, 0) != 0 || !write_all(file.get(), bytes))
    fail_file(path, "cannot be written: " + reason());
}

// A new file that goes with the object unless its name is cleared. The name is short, so that it
// fits wherever the target's does.
struct Temporary {
  std::string name;
  std::unique_ptr<Descriptor> file;

  Temporary() = default;
  Temporary(Temporary&&) = default;
  Temporary& operator=(Temporary&&) = delete;
  ~Temporary() {
    if (!name.empty()) ::unlink(name.c_str());
  }
};

Temporary make_temporary(const std::string& folder, const std::string& path) {
  for (int attempt = 0;; ++attempt) {
    std::string name =
        folder + "/.planish-" + std::to_string(getpid()) + "-" + std::to_string(attempt) + ".tmp";
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0 && (errno != EEXIST || attempt == 1000))
      fail_file(path, "cannot be written: " + reason());
    if (fd < 0) continue;
    Temporary out;
    out.name = std::move(name);
    out.file = std::make_unique<Descriptor>(fd);
    return out;
  }
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
  struct stat info {};
  const bool is_there = ::stat(path.c_str(), &info) == 0;
  if (is_there && (!S_ISREG(info.st_mode) || is_standard_output(info))) {
    write_straight(path, info, bytes);
    return;
  }
  const std::string target = follow_links(path);
  if (path.empty() || target.back() == '/') fail_file(path, "cannot be written: is no file's name");
  std::string folder = fs::path(target).parent_path().string();
  if (folder.empty()) folder = ".";
  Temporary temporary = make_temporary(folder, path);
  const int fd = temporary.file->get();
  if (is_there && ::fchmod(fd, info.st_mode & 0777) != 0)
    fail_file(path, "cannot be written: " + reason());
  if (!write_all(fd, bytes) || ::fsync(fd) != 0 ||
      ::rename(temporary.name.c_str(), target.c_str()) != 0)
    fail_file(path, "cannot be written: " + reason());
  temporary.name.clear();
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
