// SPDX-License-Identifier: Apache-2.0
#include "base/options.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>

#include "base/str.h"
#include "planish/error.h"

namespace planish {
namespace {

[[noreturn]] void fail(std::string_view name, const std::string& expected, std::string_view got) {
  throw Error(ErrorCode::kInvalidArgument,
              concat("option ", name, ": expected ", expected, ", got \"", got, "\""));
}

int64_t parse_integer(std::string_view name, std::string_view text, int64_t least,
                      int64_t greatest) {
  const std::string expected = concat("an integer from ", least, " to ", greatest);
  int64_t v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc()) fail(name, expected, text);
  const std::string_view suffix(end, static_cast<size_t>(text.data() + text.size() - end));
  if (suffix.size() > 1) fail(name, expected, text);
  if (suffix.size() == 1) {
    const size_t power = std::string_view("kmg").find(static_cast<char>(std::tolower(suffix[0])));
    if (power == std::string_view::npos) fail(name, expected, text);
    for (size_t i = 0; i <= power; ++i)
      if (__builtin_mul_overflow(v, int64_t{1024}, &v)) fail(name, expected, text);
  }
  if (v < least || v > greatest) fail(name, expected, text);
  return v;
}

double parse_real(std::string_view name, std::string_view text, double least, double greatest) {
  double v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size() || !(v >= least && v <= greatest))
    fail(name, concat("a number from ", least, " to ", greatest), text);
  return v;
}

std::string parse_text(std::string_view name, std::string_view text, std::string_view choices) {
  if (choices.empty()) return std::string(text);
  for (size_t at = 0; at <= choices.size();) {
    const size_t end = std::min(choices.find('|', at), choices.size());
    if (choices.substr(at, end - at) == text) return std::string(text);
    at = end + 1;
  }
  std::string list(choices);
  std::replace(list.begin(), list.end(), '|', ' ');
  fail(name, concat("one of: ", list), text);
}

bool parse_flag(std::string_view name, std::string_view text) {
  if (text == "1" || text == "true" || text == "on" || text == "yes") return true;
  if (text == "0" || text == "false" || text == "off" || text == "no") return false;
  fail(name, "true or false", text);
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

const std::vector<OptionRow>& option_rows() {
  static const std::vector<OptionRow> rows = {
#define PLANISH_INTEGER(name, fallback, least, greatest, scope, help) \
  {#name, OptionRow::Kind::kInteger, concat(fallback), "", scope, help},
#define PLANISH_REAL(name, fallback, least, greatest, scope, help) \
  {#name, OptionRow::Kind::kReal, concat(fallback), "", scope, help},
#define PLANISH_TEXT(name, fallback, choices, scope, help) \
  {#name, OptionRow::Kind::kText, fallback, choices, scope, help},
#define PLANISH_FLAG(name, fallback, scope, help) \
  {#name, OptionRow::Kind::kFlag, fallback ? "true" : "false", "", scope, help},
#include "planish/options.def"
#undef PLANISH_INTEGER
#undef PLANISH_REAL
#undef PLANISH_TEXT
#undef PLANISH_FLAG
  };
  return rows;
}

void set_option(Options& options, std::string_view name, std::string_view text) {
#define PLANISH_INTEGER(row, fallback, least, greatest, scope, help) \
  if (name == #row) {                                                \
    options.row = parse_integer(name, text, least, greatest);        \
    return;                                                          \
  }
#define PLANISH_REAL(row, fallback, least, greatest, scope, help) \
  if (name == #row) {                                             \
    options.row = parse_real(name, text, least, greatest);        \
    return;                                                       \
  }
#define PLANISH_TEXT(row, fallback, choices, scope, help) \
  if (name == #row) {                                     \
    options.row = parse_text(name, text, choices);        \
    return;                                               \
  }
#define PLANISH_FLAG(row, fallback, scope, help) \
  if (name == #row) {                            \
    options.row = parse_flag(name, text);        \
    return;                                      \
  }
#include "planish/options.def"
#undef PLANISH_INTEGER
#undef PLANISH_REAL
#undef PLANISH_TEXT
#undef PLANISH_FLAG
  const auto nearest = std::min_element(
      option_rows().begin(), option_rows().end(), [&](const OptionRow& a, const OptionRow& b) {
        return edit_distance(a.name, name) < edit_distance(b.name, name);
      });
  throw Error(ErrorCode::kInvalidArgument, concat("there is no option \"", name, "\""), "",
              concat("did you mean ", nearest->name, "?"));
}

Options options_from_environment() {
  Options options;
  for (const OptionRow& row : option_rows()) {
    std::string variable = concat("PLANISH_", row.name);
    std::transform(variable.begin(), variable.end(), variable.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (const char* text = std::getenv(variable.c_str())) set_option(options, row.name, text);
  }
  return options;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    std::string_view part = text.substr(at, end - at);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    if (!part.empty()) out.emplace_back(part);
    at = end + 1;
  }
  return out;
}

}  // namespace planish
