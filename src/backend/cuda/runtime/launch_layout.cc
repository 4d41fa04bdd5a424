// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/runtime/launch_layout.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/str.h"
#include "planish/error.h"

namespace planish::cuda {
namespace {

[[noreturn]] void fail(std::string_view word) {
  throw Error(ErrorCode::kInvalidPlan, concat("\"", word, "\" is no parameter of a kernel"));
}

int64_t number(std::string_view word, std::string_view digits, int base) {
  int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [next, error] = std::from_chars(digits.data(), end, value, base);
  if (error != std::errc() || next != end || digits.empty()) fail(word);
  return value;
}

Field parse_field(std::string_view word) {
  struct Prefix {
    std::string_view text;
    Field::Kind kind;
    int bytes;
    int base;
  };
  static constexpr Prefix kPrefixes[] = {
      {"in:", Field::Kind::kInput, 8, 10},        {"out:", Field::Kind::kOutput, 8, 10},
      {"scratch:", Field::Kind::kScratch, 8, 10}, {"zeros:", Field::Kind::kZeros, 8, 10},
      {"fault:", Field::Kind::kFault, 8, 10},     {"site:", Field::Kind::kSite, 8, 10},
      {"i32:", Field::Kind::kNumber, 4, 10},      {"i64:", Field::Kind::kNumber, 8, 10},
      {"f32:", Field::Kind::kNumber, 4, 16},      {"i32@", Field::Kind::kExpression, 4, 10},
      {"i64@", Field::Kind::kExpression, 8, 10}};
  for (const Prefix& prefix : kPrefixes) {
    if (word.substr(0, prefix.text.size()) != prefix.text) continue;
    std::string_view digits = word.substr(prefix.text.size());
    Field field{prefix.kind, prefix.bytes};
    const bool is_operand =
        prefix.kind == Field::Kind::kInput || prefix.kind == Field::Kind::kOutput;
    if (const size_t plus = digits.find('+'); is_operand && plus != std::string_view::npos) {
      field.offset = number(word, digits.substr(plus + 1), 10);
      if (field.offset < 0) fail(word);
      digits = digits.substr(0, plus);
    }
    field.value = number(word, digits, prefix.base);
    const int64_t least = prefix.base == 16 ? 0 : INT32_MIN;
    const int64_t greatest = prefix.base == 16 ? int64_t{UINT32_MAX} : int64_t{INT32_MAX};
    if (field.kind != Field::Kind::kNumber && field.value < 0) fail(word);
    if (field.bytes == 4 && (field.value < least || field.value > greatest)) fail(word);
    return field;
  }
  fail(word);
}

std::string offset_text(const Field& field) {
  return field.offset < 0 ? std::string() : concat("+", field.offset);
}

}  // namespace

std::vector<Field> parse_fields(std::string_view text) {
  std::vector<Field> fields;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end != 0) fields.push_back(parse_field(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (fields_bytes(fields) > kMaxParamBytes)
    throw Error(ErrorCode::kInvalidPlan, "a kernel has too many parameters");
  return fields;
}

std::string print_fields(const std::vector<Field>& fields) {
  std::string text;
  for (const Field& field : fields) {
    if (!text.empty()) text += ' ';
    const char* width = field.bytes == 4 ? "i32" : "i64";
    switch (field.kind) {
      case Field::Kind::kInput: text += concat("in:", field.value, offset_text(field)); break;
      case Field::Kind::kOutput: text += concat("out:", field.value, offset_text(field)); break;
      case Field::Kind::kScratch: text += concat("scratch:", field.value); break;
      case Field::Kind::kZeros: text += "zeros:0"; break;
      case Field::Kind::kFault: text += "fault:0"; break;
      case Field::Kind::kSite: text += "site:0"; break;
      case Field::Kind::kExpression: text += concat(width, "@", field.value); break;
      case Field::Kind::kNumber:
        if (field.bytes == 4 && field.value > INT32_MAX) {
          char digits[24];
          std::snprintf(digits, sizeof(digits), "f32:%08llx",
                        static_cast<unsigned long long>(field.value));  // NOLINT: printf's type
          text += digits;
        } else {
          text += concat(width, ":", field.value);
        }
    }
  }
  return text;
}

size_t fields_bytes(const std::vector<Field>& fields) {
  size_t at = 0;
  size_t alignment = 4;
  for (const Field& field : fields) {
    const auto bytes = static_cast<size_t>(field.bytes);
    at = (at + bytes - 1) / bytes * bytes + bytes;
    alignment = std::max(alignment, bytes);
  }
  return (at + alignment - 1) / alignment * alignment;
}

}  // namespace planish::cuda
