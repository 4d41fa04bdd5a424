// SPDX-License-Identifier: Apache-2.0
// Text for messages: concat("expected ", 3, " inputs, got ", n).
#pragma once

#include <sstream>
#include <string>
#include <string_view>

namespace planish {

template <class... Args>
std::string concat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

// "1, 2, 3" from any range of printable values.
template <class Range>
std::string join(const Range& range, std::string_view separator = ", ") {
  std::ostringstream out;
  bool first = true;
  for (const auto& item : range) {
    if (!first) out << separator;
    first = false;
    out << item;
  }
  return out.str();
}

}  // namespace planish
