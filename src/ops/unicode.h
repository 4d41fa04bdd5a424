// SPDX-License-Identifier: Apache-2.0
// UTF-8 and the case of letters, as far as the ops on strings need them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace planish {

// The character at `at`, which moves behind it. A byte that begins no valid sequence is U+FFFD.
char32_t next_character(std::string_view text, size_t& at);
void append_utf8(std::string& text, char32_t character);

// One-to-one mappings of Latin, Greek, Cyrillic, Armenian and full-width letters; every other
// character is itself.
char32_t lower_character(char32_t c);
char32_t upper_character(char32_t c);
std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);

}  // namespace planish
