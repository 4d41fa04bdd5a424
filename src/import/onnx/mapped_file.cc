// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "base/str.h"
#include "planish/error.h"

namespace planish::onnx {
namespace {

constexpr char kTrustHint[] =
    "put the data beside the model, or name a folder that you trust with external_data";

[[noreturn]] void fail_file(const std::string& path, const std::string& what) {
  throw Error(ErrorCode::kFileError, concat("\"", path, "\": ", what));
}

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    reset(std::exchange(other.fd_, -1));
    return *this;
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Resolves all symbolic links; empty if that fails.
std::string real_path(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return {};
  std::string out = resolved;
  std::free(resolved);
  return out;
}

Descriptor open_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail_file(path, concat("the folder cannot be opened: ", std::strerror(errno)));
  return Descriptor(fd);
}

constexpr int kOpenFile = O_RDONLY | O_NONBLOCK | O_CLOEXEC;

std::vector<std::string> split_location(const std::string& location) {
  auto refuse = [&](const char* why) {
    throw Error(ErrorCode::kInvalidModel,
                concat("external data location \"", location, "\" ", why), {}, kTrustHint);
  };
  if (location.empty()) refuse("is empty");
  if (location.find('\0') != std::string::npos) refuse("holds a zero byte");
  if (location[0] == '/') refuse("is an absolute path");
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= location.size()) {
    const size_t end = std::min(location.find('/', begin), location.size());
    std::string part = location.substr(begin, end - begin);
    if (part == "..") refuse("leaves the model's folder");
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
    begin = end + 1;
  }
  if (parts.empty()) refuse("names no file");
  return parts;
}

class CheckedFolder final : public DataFolder {
 public:
  CheckedFolder(const std::string& folder, std::string real_folder, bool trusted)
      : folder_(folder), real_folder_(std::move(real_folder)), trusted_(trusted) {}

  std::shared_ptr<const MappedFile> open(const std::string& location) override {
    const std::vector<std::string> parts = split_location(location);
    auto& known = files_[join(parts, "/")];
    if (known) return known;
    const std::string path = concat(folder_, "/", location);
    Descriptor fd = open_beneath(parts, path);
    auto file = MappedFile::from_descriptor(fd.release(), path);
    if (!trusted_ && file->links() > 1)
      throw Error(ErrorCode::kInvalidModel,
                  concat("external data \"", location, "\" is a hard link that other names share"),
                  {}, kTrustHint);
    known = std::move(file);
    return known;
  }

 private:
  Descriptor open_beneath(const std::vector<std::string>& parts, const std::string& path) {
    Descriptor folder = open_folder(folder_);
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const int next = ::openat(folder.get(), parts[i].c_str(),
                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (next < 0)
        fail_file(path, concat("the external data's folder \"", parts[i],
                               "\" cannot be opened: ", std::strerror(errno)));
      folder.reset(next);
    }
    Descriptor file(::openat(folder.get(), parts.back().c_str(), kOpenFile | O_NOFOLLOW));
    if (file.get() < 0 && errno == ELOOP) return open_link(path);
    if (file.get() < 0)
      fail_file(path, concat("the external data cannot be opened: ", std::strerror(errno)));
    return file;
  }

  // The link's target is opened anew beneath the real folder, so a link that changes after it was
  // resolved leads nowhere else.
  Descriptor open_link(const std::string& path) {
    const std::string target = real_path(path);
    if (target.empty() || folder_of(target) != real_folder_)
      throw Error(ErrorCode::kInvalidModel,
                  concat("external data \"", path,
                         "\" is a symbolic link to a file outside of the model's folder"),
                  {}, kTrustHint);
    Descriptor folder = open_folder(real_folder_);
    const std::string name = target.substr(target.rfind('/') + 1);
    Descriptor file(::openat(folder.get(), name.c_str(), kOpenFile | O_NOFOLLOW));
    if (file.get() < 0)
      fail_file(path, concat("the external data cannot be opened: ", std::strerror(errno)));
    return file;
  }

  std::string folder_;
  std::string real_folder_;
  bool trusted_;
  std::map<std::string, std::shared_ptr<const MappedFile>> files_;
};

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos)
    throw Error(ErrorCode::kInvalidArgument, "a file name is empty or holds a zero byte");
  const int fd = ::open(path.c_str(), kOpenFile);
  if (fd < 0) fail_file(path, concat("the file cannot be opened: ", std::strerror(errno)));
  return from_descriptor(fd, path);
}

std::shared_ptr<const MappedFile> MappedFile::from_descriptor(int fd, const std::string& path) {
  const Descriptor owned(fd);
  struct stat info {};
  if (::fstat(fd, &info) != 0) fail_file(path, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) fail_file(path, "expected a regular file");
  std::shared_ptr<MappedFile> file(new MappedFile());
  file->links_ = info.st_nlink;
  if (info.st_size == 0) return file;
  void* data =
      ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) fail_file(path, concat("the file cannot be mapped: ", std::strerror(errno)));
  file->data_ = static_cast<const std::byte*>(data);
  file->size_ = static_cast<size_t>(info.st_size);
  return file;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

std::unique_ptr<DataFolder> DataFolder::of_model(const std::string& model_path) {
  return std::make_unique<CheckedFolder>(folder_of(model_path), folder_of(real_path(model_path)),
                                         false);
}

std::unique_ptr<DataFolder> DataFolder::trusted(const std::string& folder) {
  return std::make_unique<CheckedFolder>(folder, real_path(folder), true);
}

}  // namespace planish::onnx
