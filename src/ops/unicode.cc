// SPDX-License-Identifier: Apache-2.0
#include "ops/unicode.h"

#include <algorithm>
#include <iterator>

namespace planish {
namespace {

// Upper-case letters first .. last; their lower-case forms lie `shift` further on. A shift of 1
// means that upper and lower letters alternate.
struct CaseRange {
  char32_t first, last;
  int32_t shift;
};
constexpr CaseRange kCases[] = {
    {'A', 'Z', 32},     {0xC0, 0xD6, 32},    {0xD8, 0xDE, 32},    {0x100, 0x12E, 1},
    {0x132, 0x136, 1},  {0x139, 0x147, 1},   {0x14A, 0x176, 1},   {0x178, 0x178, -121},
    {0x179, 0x17D, 1},  {0x386, 0x386, 38},  {0x388, 0x38A, 37},  {0x38C, 0x38C, 64},
    {0x38E, 0x38F, 63}, {0x391, 0x3A1, 32},  {0x3A3, 0x3AB, 32},  {0x400, 0x40F, 80},
    {0x410, 0x42F, 32}, {0x460, 0x480, 1},   {0x48A, 0x4BE, 1},   {0x4D0, 0x52E, 1},
    {0x531, 0x556, 48}, {0x1E00, 0x1E94, 1}, {0x1EA0, 0x1EFE, 1}, {0xFF21, 0xFF3A, 32}};

}  // namespace

char32_t next_character(std::string_view text, size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xF0 && lead < 0xF5   ? 3
                   : lead >= 0xE0 && lead < 0xF0 ? 2
                   : lead >= 0xC2 && lead < 0xE0 ? 1
                                                 : 0;
  if (more == 0 || text.size() - at < static_cast<size_t>(more)) return 0xFFFD;
  char32_t value = lead & (0x3Fu >> more);
  for (int i = 0; i < more; ++i) {
    const auto byte = static_cast<unsigned char>(text[at + static_cast<size_t>(i)]);
    if ((byte & 0xC0) != 0x80) return 0xFFFD;
    value = (value << 6) | (byte & 0x3F);
  }
  constexpr char32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
  if (value < kLeast[more] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
    return 0xFFFD;
  at += static_cast<size_t>(more);
  return value;
}

void append_utf8(std::string& text, char32_t c) {
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += static_cast<char>(0xC0 | (c >> 6));
    text += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    text += static_cast<char>(0xE0 | (c >> 12));
    text += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    text += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    text += static_cast<char>(0xF0 | (c >> 18));
    text += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    text += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    text += static_cast<char>(0x80 | (c & 0x3F));
  }
}

char32_t lower_character(char32_t c) {
  for (const CaseRange& r : kCases) {
    if (c < r.first || c > r.last) continue;
    if (r.shift != 1) return static_cast<char32_t>(static_cast<int32_t>(c) + r.shift);
    return (c - r.first) % 2 == 0 ? c + 1 : c;
  }
  return c;
}

char32_t upper_character(char32_t c) {
  for (const CaseRange& r : kCases) {
    if (r.shift == 1) {
      if (c > r.first && c <= r.last + 1 && (c - r.first) % 2 == 1) return c - 1;
      continue;
    }
    const auto upper = static_cast<char32_t>(static_cast<int32_t>(c) - r.shift);
    if (upper >= r.first && upper <= r.last) return upper;
  }
  return c;
}

namespace {

std::string mapped(std::string_view text, char32_t (*map)(char32_t)) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const char32_t c = next_character(text, at);
    const char32_t to = map(c);
    // What is unchanged is copied as it is, so that bytes that are no UTF-8 survive.
    if (to == c)
      out += text.substr(start, at - start);
    else
      append_utf8(out, to);
  }
  return out;
}

}  // namespace

std::string to_lower(std::string_view text) { return mapped(text, lower_character); }
std::string to_upper(std::string_view text) { return mapped(text, upper_character); }

}  // namespace planish
