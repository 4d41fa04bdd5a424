// SPDX-License-Identifier: Apache-2.0
// The verbs of planish_dev, one a file.
#pragma once

#include <string>
#include <vector>

namespace planish::dev {

// Returns the exit code.
using VerbFunction = int (*)(const std::vector<std::string>& arguments);

struct Verb {
  const char* name;
  const char* summary;
  VerbFunction run;
};

class RegisterVerb {
 public:
  explicit RegisterVerb(Verb verb);
};

// Throws kInvalidArgument.
[[noreturn]] void fail_usage(const std::string& what);

}  // namespace planish::dev
