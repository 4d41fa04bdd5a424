// SPDX-License-Identifier: Apache-2.0
// Machine code that was compiled before, one file a kernel and target. Files are written whole or
// not at all, and carry a hash: a damaged one is compiled again. Any number of processes may share
// the folder.
#pragma once

#include <optional>
#include <string>

#include "backend/cuda/runtime/code_archive.h"

namespace planish::cuda {

class CompileCache {
 public:
  // "" is the user's cache folder, "none" keeps nothing. A folder that cannot be used is like none.
  explicit CompileCache(const std::string& folder);

  std::optional<Code> find(const std::string& key) const;
  void keep(const std::string& key, const Code& code) const;
  const std::string& folder() const { return folder_; }  // empty: none

 private:
  std::string path_of(const std::string& key) const;
  std::string folder_;
};

}  // namespace planish::cuda
