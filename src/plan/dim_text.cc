// SPDX-License-Identifier: Apache-2.0
#include "plan/dim_text.h"

#include "base/str.h"
#include "planish/error.h"

namespace planish::plan {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_character(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '?' ||
         c == '.';
}

// A sum of products of atoms. What multiplies is an atom, so no product is ever multiplied out, and
// what a function makes of its arguments is checked against what was written.
class CanonicalReader {
 public:
  CanonicalReader(std::string_view text, const std::map<std::string, DimRange>& ranges)
      : text_(text), ranges_(ranges) {}

  Dim read() {
    if (text_.size() > kMaxDimText) fail("the text is too long");
    Dim dim = sum();
    if (at_ != text_.size() || dim.to_string() != text_) fail("the text is not canonical");
    return dim;
  }

 private:
  [[noreturn]] void fail(const char* why) const {
    throw Error(ErrorCode::kInvalidPlan,
                concat("the plan is not valid: dimension \"", text_.substr(0, 80), "\": ", why));
  }
  bool next_is(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) {
    if (!next_is(c)) return false;
    ++at_;
    return true;
  }

  Dim sum() {
    if (++depth_ > 32) fail("nested too deep");
    Dim total(0);
    size_t terms = 0;
    do {
      if (++terms > kMaxDimTerms) fail("too many terms");
      const bool is_negative = take('-');
      if (!is_negative && terms > 1 && !take('+')) fail("expected + or -");
      total = is_negative ? total - product() : total + product();
    } while (next_is('+') || next_is('-'));
    --depth_;
    return total;
  }

  Dim product() {
    Dim total(1);
    do {
      const Dim factor = atom();
      if (factor.kind() == Dim::Kind::kSum) fail("a sum is multiplied");
      total = total * factor;
    } while (take('*'));
    return total;
  }

  Dim atom() {
    if (at_ < text_.size() && is_digit(text_[at_])) return number();
    const bool is_quoted = next_is('"');
    const std::string name = is_quoted ? quoted_name() : bare_name();
    if (!is_quoted && next_is('(')) return call(name);
    const auto it = ranges_.find(name);
    if (it == ranges_.end()) fail("it has a symbol that is not in the table");
    return Dim::symbol(name, it->second);
  }

  Dim call(const std::string& name) {
    take('(');
    const Dim a = sum();
    if (!take(',')) fail("expected ,");
    const Dim b = sum();
    if (!take(')')) fail("expected )");
    Dim::Kind kind = Dim::Kind::kFloorDiv;
    if (name == "min")
      kind = Dim::Kind::kMin;
    else if (name == "max")
      kind = Dim::Kind::kMax;
    else if (name != "floor_div")
      fail("unknown function");
    if (kind == Dim::Kind::kFloorDiv && b == Dim(0)) fail("division by zero");
    const Dim made = kind == Dim::Kind::kMin   ? Dim::min(a, b)
                     : kind == Dim::Kind::kMax ? Dim::max(a, b)
                                               : a.floor_div(b);
    if (made.kind() != kind) fail("the text is not canonical");
    return made;
  }

  Dim number() {
    int64_t value = 0;
    while (at_ < text_.size() && is_digit(text_[at_])) {
      if (__builtin_mul_overflow(value, int64_t{10}, &value) ||
          __builtin_add_overflow(value, static_cast<int64_t>(text_[at_] - '0'), &value))
        fail("a number does not fit 64 bits");
      ++at_;
    }
    return Dim(value);
  }

  std::string bare_name() {
    const size_t first = at_;
    while (at_ < text_.size() && is_name_character(text_[at_])) ++at_;
    if (at_ == first) fail("expected a number or a name");
    return std::string(text_.substr(first, at_ - first));
  }

  std::string quoted_name() {
    std::string name;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      name += text_[at_];
    }
    if (!take('"')) fail("a name has no end");
    return name;
  }

  std::string_view text_;
  const std::map<std::string, DimRange>& ranges_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

bool is_storable(const Dim& dim) {
  if (dim.is_constant()) return true;
  std::map<std::string, DimRange> ranges;
  dim.collect_symbols(ranges);
  const std::string text = dim.to_string();
  if (text.size() > kMaxDimText) return false;
  try {
    return parse_dim(text, ranges) == dim;
  } catch (const Error&) {
    return false;
  }
}

Dim parse_dim(std::string_view text, const std::map<std::string, DimRange>& ranges) {
  try {
    return CanonicalReader(text, ranges).read();
  } catch (const Error& error) {
    // The algebra itself reports overflow as a shape that is not valid.
    if (error.code() == ErrorCode::kInvalidPlan) throw;
    throw Error(ErrorCode::kInvalidPlan, concat("the plan is not valid: ", error.what()));
  }
}

}  // namespace planish::plan
