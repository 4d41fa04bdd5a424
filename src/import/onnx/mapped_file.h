// SPDX-License-Identifier: Apache-2.0
// Files of a model, mapped read-only.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace planish::onnx {

// A regular file's bytes; the mapping lives as long as the object. Whoever truncates the file
// meanwhile breaks the promise.
class MappedFile {
 public:
  // Throws kFileError. `path` may be a symbolic link.
  static std::shared_ptr<const MappedFile> open(const std::string& path);
  // Takes the descriptor over. `path` is for messages.
  static std::shared_ptr<const MappedFile> from_descriptor(int fd, const std::string& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  unsigned long links() const { return links_; }  // number of hard links when it was opened

 private:
  MappedFile() = default;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  unsigned long links_ = 0;
};

// The folder beneath which external data may lie.
class DataFolder {
 public:
  virtual ~DataFolder() = default;

  // The folder that holds `model_path`: hard links are refused, and a symbolic link must lead to a
  // file of the folder that holds the real model file.
  static std::unique_ptr<DataFolder> of_model(const std::string& model_path);
  // A folder that the caller vouches for: hard links are allowed, and a symbolic link must lead to a
  // file of the folder itself.
  static std::unique_ptr<DataFolder> trusted(const std::string& folder);

  // Opens `location` beneath the folder: relative, no "..", a regular file. Opened before it is
  // checked, so that nothing can be swapped in between. Throws kInvalidModel for a location that is
  // not allowed, kFileError if opening fails.
  virtual std::shared_ptr<const MappedFile> open(const std::string& location) = 0;
};

}  // namespace planish::onnx
