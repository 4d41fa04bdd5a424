// SPDX-License-Identifier: Apache-2.0
// Plans to write, read and damage.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "planish/error.h"

namespace planish::test {

// A valid plan that uses every field of the format: symbols, expressions, profiles, subprograms,
// attributes of every kind, splats, strings, packed types, bulk, foreign sections.
plan::Plan full_plan();
// A valid plan of a network that can run: y = relu(x + c).
plan::Plan small_plan();

std::vector<std::byte> bytes_of(const std::string& path);
void put_bytes(const std::string& path, const std::vector<std::byte>& bytes);

// A folder that is gone when the object is.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  std::string at(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// What f throws; kOk if nothing.
Error error_of(const std::function<void()>& f);

}  // namespace planish::test
