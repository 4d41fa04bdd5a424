// SPDX-License-Identifier: Apache-2.0
// One engine's outputs against another's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common.h"

namespace planish::cli {

// What an engine gave for one output. Another engine's maps have no Value, so that maps and
// sequences are taken apart.
struct Answer {
  enum class Kind : uint8_t { kNone, kTensor, kSequence, kMap };

  Answer() = default;
  Answer(const Value& value);  // NOLINT(google-explicit-constructor): the same thing, taken apart

  Kind kind = Kind::kNone;
  Value tensor;
  std::vector<Answer> parts;  // of a sequence its items; of a map its keys and its values
};

// "float32 1x3", "sequence of 2", "map of 3", "none"
std::string kind_text(const Answer& answer);

// Floating-point numbers differ by a distance; everything else is the same or is not.
struct Difference {
  std::string reason;   // why they cannot be compared, or differ whatever the tolerance; else empty
  double absolute = 0;  // the largest; of complex numbers that of a part
  double relative = 0;  // to the largest magnitude of the other's output
  size_t worst = 0;     // where
  std::string ours, theirs;  // the elements there

  bool is_within(double tolerance) const { return reason.empty() && relative <= tolerance; }
  // "largest at element 3: 1.5, expected 2", or the reason.
  std::string text() const;
};

// Entries of maps are matched by their keys.
Difference compare(const Answer& ours, const Answer& theirs);

// Adds "relative" and "absolute", where they are finite, or "reason".
void put_difference(const Difference& difference, Json& out);

}  // namespace planish::cli
