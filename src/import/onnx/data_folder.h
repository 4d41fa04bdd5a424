// SPDX-License-Identifier: Apache-2.0
// The folder beneath which a model's external data may lie.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"

namespace planish::onnx {

class DataFolder {
 public:
  // The folder that holds `model_path`: hard links are refused, and a symbolic link must lead to a
  // file of the folder that holds the real model file.
  static std::unique_ptr<DataFolder> of_model(const std::string& model_path);
  // A folder that the caller vouches for: hard links are allowed, and a symbolic link must lead to
  // a file of the folder itself.
  static std::unique_ptr<DataFolder> trusted(const std::string& folder);

  // The file at `location` beneath the folder, mapped once: relative, without "..", a regular file.
  // It is opened before it is checked, so nothing can be swapped in between. Throws kInvalidModel
  // for a location that is not allowed, kFileError if opening fails.
  const OwnedBytes& open(const std::string& location);

 private:
  DataFolder(std::string folder, std::string real_folder, bool is_trusted)
      : folder_(std::move(folder)), real_folder_(std::move(real_folder)), is_trusted_(is_trusted) {}
  File open_beneath(const std::vector<std::string>& parts, const std::string& path) const;
  File open_link(const std::string& path) const;

  std::string folder_;
  std::string real_folder_;
  bool is_trusted_;
  std::map<std::string, OwnedBytes> files_;
};

}  // namespace planish::onnx
