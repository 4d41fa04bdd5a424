// SPDX-License-Identifier: Apache-2.0
// Regular expressions with RE2's syntax, matched in time proportional to pattern times text: no
// pattern makes matching explode. For full matches; groups are not reported.
//
// Not supported (kUnsupported): Unicode classes \p{...}, \C.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace planish {

class Regex {
 public:
  // Throws kInvalidValue or kUnsupported, saying where the pattern is wrong.
  explicit Regex(std::string_view pattern);

  bool matches_whole(std::string_view text) const;
  // Matching a text of n bytes takes at most about n times as many steps.
  int64_t size() const { return static_cast<int64_t>(program_.size() + ranges_.size()); }

  struct Range {
    char32_t first, last;
  };
  enum class Code : uint8_t {
    kCharacter,  // one of the ranges [ranges_begin, ranges_end), or none of them if `negated`
    kSplit,      // go on at `next` and at `other`
    kAssert,     // go on at `next` if the place is right
    kMatch
  };
  enum class Place : uint8_t {
    kTextBegin,
    kTextEnd,
    kLineBegin,
    kLineEnd,
    kWordBoundary,
    kNoWordBoundary
  };
  struct Instruction {
    Code code = Code::kMatch;
    bool negated = false;
    Place place = Place::kTextBegin;
    uint32_t next = 0, other = 0;
    uint32_t ranges_begin = 0, ranges_end = 0;
  };

 private:
  bool accepts(const Instruction& instruction, char32_t character) const;

  std::vector<Instruction> program_;
  std::vector<Range> ranges_;
  uint32_t start_ = 0;
};

}  // namespace planish
