// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/data_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/str.h"
#include "planish/error.h"

namespace planish::onnx {
namespace {

constexpr char kTrustHint[] =
    "put the data beside the model, or name a folder that you trust with external_data";

class FolderDescriptor {
 public:
  explicit FolderDescriptor(const std::string& path)
      : FolderDescriptor(::open(path.c_str(), kFlags), path) {}
  ~FolderDescriptor() { ::close(fd_); }
  FolderDescriptor(const FolderDescriptor&) = delete;
  FolderDescriptor& operator=(const FolderDescriptor&) = delete;

  // A folder of this one, which may not be a link.
  void enter(const std::string& name, const std::string& path) {
    const int next = ::openat(fd_, name.c_str(), kFlags | O_NOFOLLOW);
    if (next < 0) fail(path);
    ::close(std::exchange(fd_, next));
  }
  bool is_link(const std::string& name) const {
    struct stat info {};
    return ::fstatat(fd_, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode);
  }
  int get() const { return fd_; }

 private:
  static constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  FolderDescriptor(int fd, const std::string& path) : fd_(fd) {
    if (fd_ < 0) fail(path);
  }
  [[noreturn]] static void fail(const std::string& path) {
    throw Error(ErrorCode::kFileError,
                concat("\"", path,
                       "\": a folder of external data cannot be opened: ", std::strerror(errno)));
  }
  int fd_;
};

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// With all symbolic links resolved; empty if that fails.
std::string real_path(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return {};
  std::string out = resolved;
  std::free(resolved);
  return out;
}

std::vector<std::string> split_location(const std::string& location) {
  auto refuse = [&](const char* why) {
    throw Error(ErrorCode::kInvalidModel,
                concat("external data location \"", location.c_str(), "\" ", why), {}, kTrustHint);
  };
  if (location.empty()) refuse("is empty");
  if (location.find('\0') != std::string::npos) refuse("holds a zero byte");
  if (location[0] == '/') refuse("is an absolute path");
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= location.size();) {
    const size_t end = std::min(location.find('/', begin), location.size());
    std::string part = location.substr(begin, end - begin);
    if (part == "..") refuse("leaves the model's folder");
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
    begin = end + 1;
  }
  if (parts.empty()) refuse("names no file");
  return parts;
}

}  // namespace

std::unique_ptr<DataFolder> DataFolder::of_model(const std::string& model_path) {
  return std::unique_ptr<DataFolder>(
      new DataFolder(folder_of(model_path), folder_of(real_path(model_path)), false));
}

std::unique_ptr<DataFolder> DataFolder::trusted(const std::string& folder) {
  return std::unique_ptr<DataFolder>(new DataFolder(folder, real_path(folder), true));
}

const OwnedBytes& DataFolder::open(const std::string& location) {
  const std::vector<std::string> parts = split_location(location);
  const std::string key = join(parts, "/");
  const auto known = files_.find(key);
  if (known != files_.end()) return known->second;
  const File file = open_beneath(parts, concat(folder_, "/", location));
  struct stat info {};
  if (::fstat(file.fd(), &info) != 0)
    throw Error(ErrorCode::kFileError, concat("\"", file.path(), "\": ", std::strerror(errno)));
  if (!is_trusted_ && info.st_nlink > 1)
    throw Error(ErrorCode::kInvalidModel,
                concat("external data \"", location, "\" is a hard link that other names share"),
                {}, kTrustHint);
  return files_.emplace(key, file.map(0, file.size())).first->second;
}

File DataFolder::open_beneath(const std::vector<std::string>& parts,
                              const std::string& path) const {
  FolderDescriptor folder(folder_);
  for (size_t i = 0; i + 1 < parts.size(); ++i) folder.enter(parts[i], path);
  if (folder.is_link(parts.back())) return open_link(path);
  return File(folder.get(), parts.back(), O_NOFOLLOW, path);
}

// The link's target is opened anew beneath the real folder, so a link that changes after it was
// resolved leads nowhere else.
File DataFolder::open_link(const std::string& path) const {
  const std::string target = real_path(path);
  if (target.empty() || folder_of(target) != real_folder_)
    throw Error(ErrorCode::kInvalidModel,
                concat("external data \"", path,
                       "\" is a symbolic link to a file outside of the model's folder"),
                {}, kTrustHint);
  const FolderDescriptor folder(real_folder_);
  return File(folder.get(), target.substr(target.rfind('/') + 1), O_NOFOLLOW, path);
}

}  // namespace planish::onnx
