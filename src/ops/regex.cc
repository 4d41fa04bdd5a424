// SPDX-License-Identifier: Apache-2.0
#include "ops/regex.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "base/str.h"
#include "ops/unicode.h"
#include "planish/error.h"

namespace planish {
namespace {

constexpr int kMaxDepth = 200;
constexpr int kMaxRepeat = 1000;
constexpr size_t kMaxProgram = 200000;
constexpr size_t kMaxRanges = 1000000;
constexpr int kUnbounded = -1;

using Range = Regex::Range;
using Ranges = std::vector<Range>;

struct Syntax;
using SyntaxPtr = std::unique_ptr<Syntax>;

// What a piece of the pattern says.
struct Syntax {
  enum class Kind : uint8_t { kEmpty, kSet, kPlace, kSequence, kChoice, kRepeat };
  Kind kind = Kind::kEmpty;
  Ranges set;
  bool negated = false;
  Regex::Place place = Regex::Place::kTextBegin;
  std::vector<SyntaxPtr> parts;
  int least = 0, most = 0;  // kRepeat
};

SyntaxPtr make_syntax(Syntax::Kind kind) {
  auto node = std::make_unique<Syntax>();
  node->kind = kind;
  return node;
}

struct Flags {
  bool ignore_case = false;
  bool multi_line = false;
  bool dot_all = false;
};

struct NamedClass {
  std::string_view name;
  Ranges ranges;
};

const std::vector<NamedClass>& posix_classes() {
  static const std::vector<NamedClass> classes = {
      {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
      {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
      {"ascii", {{0, 0x7F}}},
      {"blank", {{'\t', '\t'}, {' ', ' '}}},
      {"cntrl", {{0, 0x1F}, {0x7F, 0x7F}}},
      {"digit", {{'0', '9'}}},
      {"graph", {{'!', '~'}}},
      {"lower", {{'a', 'z'}}},
      {"print", {{' ', '~'}}},
      {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
      {"space", {{'\t', '\r'}, {' ', ' '}}},
      {"upper", {{'A', 'Z'}}},
      {"word", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}}},
      {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}}};
  return classes;
}

// The ranges of \d, \s or \w.
Ranges perl_class(char32_t letter) {
  if (letter == 'd') return {{'0', '9'}};
  if (letter == 's') return {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
  return {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}};
}

Ranges complement(Ranges ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.first < b.first; });
  Ranges out;
  char32_t next = 0;
  for (const Range& r : ranges) {
    if (r.first > next) out.push_back({next, r.first - 1});
    next = std::max<char32_t>(next, r.last + 1);
  }
  if (next <= 0x10FFFF) out.push_back({next, 0x10FFFF});
  return out;
}

bool is_word(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

class Parser {
 public:
  explicit Parser(std::string_view pattern) : pattern_(pattern) {}

  SyntaxPtr parse() {
    SyntaxPtr all = parse_choice();
    if (!at_end()) fail("unmatched )");
    return all;
  }

 private:
  [[noreturn]] void fail(const std::string& what, ErrorCode code = ErrorCode::kInvalidValue) const {
    throw Error(code, concat("pattern: ", what, " at byte ", at_));
  }

  bool at_end() const { return at_ >= pattern_.size(); }
  bool looking_at(std::string_view text) const { return pattern_.substr(at_, text.size()) == text; }
  bool take(std::string_view text) {
    if (!looking_at(text)) return false;
    at_ += text.size();
    return true;
  }
  char32_t next() {
    if (at_end()) fail("unexpected end");
    return next_character(pattern_, at_);
  }

  SyntaxPtr parse_choice() {
    if (++depth_ > kMaxDepth) fail("groups nest too deeply");
    const Flags outer = flags_;
    SyntaxPtr choice = make_syntax(Syntax::Kind::kChoice);
    do choice->parts.push_back(parse_sequence());
    while (take("|"));
    flags_ = outer;
    --depth_;
    return choice->parts.size() == 1 ? std::move(choice->parts[0]) : std::move(choice);
  }

  SyntaxPtr parse_sequence() {
    SyntaxPtr sequence = make_syntax(Syntax::Kind::kSequence);
    while (!at_end() && !looking_at("|") && !looking_at(")")) {
      if (take("\\Q")) {
        parse_quoted(*sequence);
        continue;
      }
      SyntaxPtr item = parse_item();
      if (item) sequence->parts.push_back(parse_repeats(std::move(item)));
    }
    return sequence;
  }

  // After \\Q. A repetition after \\E is of the last character.
  void parse_quoted(Syntax& sequence) {
    const size_t before = sequence.parts.size();
    while (!at_end() && !take("\\E")) sequence.parts.push_back(literal(next()));
    if (sequence.parts.size() == before) return;
    SyntaxPtr last = std::move(sequence.parts.back());
    sequence.parts.back() = parse_repeats(std::move(last));
  }

  // Null for (?flags), which says nothing by itself.
  SyntaxPtr parse_item() {
    if (take("(")) return parse_group();
    if (take("[")) return parse_set();
    if (take(".")) {
      SyntaxPtr any = make_syntax(Syntax::Kind::kSet);
      any->negated = true;
      if (!flags_.dot_all) any->set = {{'\n', '\n'}};
      return any;
    }
    if (take("^"))
      return place(flags_.multi_line ? Regex::Place::kLineBegin : Regex::Place::kTextBegin);
    if (take("$"))
      return place(flags_.multi_line ? Regex::Place::kLineEnd : Regex::Place::kTextEnd);
    if (looking_at("*") || looking_at("+") || looking_at("?")) fail("nothing to repeat");
    if (take("\\")) return parse_escape();
    return literal(next());
  }

  static SyntaxPtr place(Regex::Place where) {
    SyntaxPtr node = make_syntax(Syntax::Kind::kPlace);
    node->place = where;
    return node;
  }

  SyntaxPtr literal(char32_t c) const { return set_of({{c, c}}, false); }

  SyntaxPtr set_of(Ranges ranges, bool negated) const {
    SyntaxPtr node = make_syntax(Syntax::Kind::kSet);
    if (flags_.ignore_case) add_other_cases(ranges);
    node->set = std::move(ranges);
    node->negated = negated;
    return node;
  }

  static void add_other_cases(Ranges& ranges) {
    const size_t count = ranges.size();
    for (size_t i = 0; i < count; ++i) {
      const Range r = ranges[i];
      // Case is known below U+10000.
      for (char32_t c = r.first; c <= r.last && c < 0x10000; ++c) {
        const char32_t lower = lower_character(c), upper = upper_character(c);
        if (lower != c) ranges.push_back({lower, lower});
        if (upper != c) ranges.push_back({upper, upper});
      }
    }
  }

  SyntaxPtr parse_group() {
    if (take("?P<") || take("?<")) {
      while (is_word(peek())) next();
      if (!take(">")) fail("bad name of a group");
    } else if (take("?")) {
      const Flags outer = flags_;
      if (parse_flags()) return nullptr;
      SyntaxPtr inner = parse_choice();
      flags_ = outer;
      if (!take(")")) fail("missing )");
      return inner;
    }
    SyntaxPtr inner = parse_choice();
    if (!take(")")) fail("missing )");
    return inner;
  }

  char32_t peek() const {
    size_t at = at_;
    return at_end() ? 0 : next_character(pattern_, at);
  }

  // After "(?": true if the group ends with the flags, which then hold for the rest of the outer
  // one.
  bool parse_flags() {
    bool value = true;
    for (;;) {
      switch (next()) {
        case 'i': flags_.ignore_case = value; break;
        case 'm': flags_.multi_line = value; break;
        case 's': flags_.dot_all = value; break;
        case 'U': break;  // prefers short matches: without effect on whole ones
        case '-':
          if (!value) fail("bad flags");
          value = false;
          break;
        case ':': return false;
        case ')': return true;
        default: fail("bad flags");
      }
    }
  }

  SyntaxPtr parse_repeats(SyntaxPtr item) {
    for (bool repeated = false;; repeated = true) {
      int least = 0, most = kUnbounded;
      if (take("*")) {
      } else if (take("+")) {
        least = 1;
      } else if (take("?")) {
        most = 1;
      } else if (!parse_counts(least, most)) {
        return item;
      }
      if (repeated) fail("a repetition is repeated");
      take("?");  // lazy: the same whole matches
      SyntaxPtr repeat = make_syntax(Syntax::Kind::kRepeat);
      repeat->least = least;
      repeat->most = most;
      repeat->parts.push_back(std::move(item));
      item = std::move(repeat);
    }
  }

  // {n}, {n,}, {n,m}; anything else after a brace is literal text.
  bool parse_counts(int& least, int& most) {
    const size_t start = at_;
    if (!take("{")) return false;
    const auto low = parse_number();
    std::optional<int> high = low;
    bool open = false;
    if (low && take(",")) {
      high = parse_number();
      open = !high;
    }
    if (!low || !take("}")) {
      at_ = start;
      return false;
    }
    if (*low > kMaxRepeat || (high && *high > kMaxRepeat) || (high && *high < *low))
      fail("bad number of repetitions");
    least = *low;
    most = open ? kUnbounded : *high;
    return true;
  }

  std::optional<int> parse_number() {
    std::optional<int> value;
    while (!at_end() && pattern_[at_] >= '0' && pattern_[at_] <= '9')
      value = std::min(value.value_or(0) * 10 + (pattern_[at_++] - '0'), kMaxRepeat + 1);
    return value;
  }

  SyntaxPtr parse_escape() {
    if (take("b")) return place(Regex::Place::kWordBoundary);
    if (take("B")) return place(Regex::Place::kNoWordBoundary);
    if (take("A")) return place(Regex::Place::kTextBegin);
    if (take("z")) return place(Regex::Place::kTextEnd);
    if (auto known = parse_class_escape()) return set_of(std::move(*known), false);
    return literal(parse_character_escape());
  }

  // \d \D \s \S \w \W.
  std::optional<Ranges> parse_class_escape() {
    for (const char letter : {'d', 's', 'w'}) {
      const char upper = static_cast<char>(letter - 32);
      if (take(std::string_view(&letter, 1))) return perl_class(static_cast<char32_t>(letter));
      if (take(std::string_view(&upper, 1)))
        return complement(perl_class(static_cast<char32_t>(letter)));
    }
    return std::nullopt;
  }

  char32_t parse_character_escape() {
    const char32_t c = next();
    switch (c) {
      case 'a': return 7;
      case 'f': return '\f';
      case 't': return '\t';
      case 'n': return '\n';
      case 'r': return '\r';
      case 'v': return '\v';
      case 'x': return parse_hex();
      case '0': return parse_octal(0);
      case 'p':
      case 'P':
      case 'C':
        fail(concat("\\", static_cast<char>(c), " is not supported"), ErrorCode::kUnsupported);
      default: break;
    }
    if (c >= 0x80 || is_word(c)) fail("bad escape");
    return c;
  }

  char32_t parse_octal(char32_t value) {
    for (int i = 0; i < 2 && !at_end() && pattern_[at_] >= '0' && pattern_[at_] < '8'; ++i)
      value = value * 8 + static_cast<char32_t>(pattern_[at_++] - '0');
    return value;
  }

  char32_t parse_hex() {
    const bool braced = take("{");
    char32_t value = 0;
    int digits = 0;
    for (; braced ? !looking_at("}") : digits < 2; ++digits) {
      const char32_t c = next();
      const int digit = c >= '0' && c <= '9'   ? static_cast<int>(c - '0')
                        : c >= 'a' && c <= 'f' ? static_cast<int>(c - 'a' + 10)
                        : c >= 'A' && c <= 'F' ? static_cast<int>(c - 'A' + 10)
                                               : -1;
      value = value * 16 + static_cast<char32_t>(digit);
      if (digit < 0 || value > 0x10FFFF) fail("bad hexadecimal escape");
    }
    if (digits == 0) fail("bad hexadecimal escape");
    if (braced) take("}");
    return value;
  }

  // After "[".
  SyntaxPtr parse_set() {
    const bool negated = take("^");
    Ranges ranges;
    for (bool first = true; first || !looking_at("]"); first = false) {
      if (at_end()) fail("missing ]");
      if (take("[:")) {
        parse_posix_class(ranges);
        continue;
      }
      char32_t low = 0;
      if (take("\\")) {
        if (auto known = parse_class_escape()) {
          ranges.insert(ranges.end(), known->begin(), known->end());
          continue;
        }
        low = parse_character_escape();
      } else {
        low = next();
      }
      char32_t high = low;
      if (looking_at("-") && !looking_at("-]")) {
        take("-");
        high = take("\\") ? parse_character_escape() : next();
      }
      if (high < low) fail("bad range in a class");
      ranges.push_back({low, high});
    }
    take("]");
    return set_of(std::move(ranges), negated);
  }

  void parse_posix_class(Ranges& ranges) {
    const bool negated = take("^");
    for (const NamedClass& known : posix_classes()) {
      if (!looking_at(concat(known.name, ":]"))) continue;
      at_ += known.name.size() + 2;
      const Ranges found = negated ? complement(known.ranges) : known.ranges;
      ranges.insert(ranges.end(), found.begin(), found.end());
      return;
    }
    fail("unknown class");
  }

  std::string_view pattern_;
  size_t at_ = 0;
  int depth_ = 0;
  Flags flags_;
};

// Appends the instructions of a piece so that it goes on at `next`; returns where it starts. Pieces
// are laid down from the last to the first, so that `next` is known.
class Compiler {
 public:
  Compiler(std::vector<Regex::Instruction>& program, Ranges& ranges)
      : program_(program), ranges_(ranges) {}

  uint32_t emit(const Syntax& node, uint32_t next) {
    switch (node.kind) {
      case Syntax::Kind::kEmpty: return next;
      case Syntax::Kind::kSet: return emit_set(node, next);
      case Syntax::Kind::kPlace:
        return add({.code = Regex::Code::kAssert, .place = node.place, .next = next});
      case Syntax::Kind::kSequence:
        for (size_t i = node.parts.size(); i-- > 0;) next = emit(*node.parts[i], next);
        return next;
      case Syntax::Kind::kChoice: {
        uint32_t start = emit(*node.parts.back(), next);
        for (size_t i = node.parts.size() - 1; i-- > 0;)
          start = add(
              {.code = Regex::Code::kSplit, .next = emit(*node.parts[i], next), .other = start});
        return start;
      }
      case Syntax::Kind::kRepeat: return emit_repeat(node, next);
    }
    return next;
  }

  uint32_t add(Regex::Instruction instruction) {
    if (program_.size() >= kMaxProgram)
      throw Error(ErrorCode::kBudgetExceeded, "pattern: the expression is too large");
    program_.push_back(instruction);
    return static_cast<uint32_t>(program_.size() - 1);
  }

 private:
  uint32_t emit_set(const Syntax& node, uint32_t next) {
    Regex::Instruction instruction{
        .code = Regex::Code::kCharacter, .negated = node.negated, .next = next};
    instruction.ranges_begin = static_cast<uint32_t>(ranges_.size());
    ranges_.insert(ranges_.end(), node.set.begin(), node.set.end());
    if (ranges_.size() > kMaxRanges)
      throw Error(ErrorCode::kBudgetExceeded, "pattern: the expression is too large");
    instruction.ranges_end = static_cast<uint32_t>(ranges_.size());
    return add(instruction);
  }

  uint32_t emit_repeat(const Syntax& node, uint32_t next) {
    const Syntax& item = *node.parts[0];
    uint32_t start = next;
    if (node.most == kUnbounded) {
      // The split comes first, so that the item can go back to it.
      const uint32_t split = add({.code = Regex::Code::kSplit, .other = next});
      const uint32_t body = emit(item, split);
      program_[split].next = body;
      start = split;
    } else {
      for (int i = node.least; i < node.most; ++i)
        start = add({.code = Regex::Code::kSplit, .next = emit(item, start), .other = next});
    }
    for (int i = 0; i < node.least; ++i) start = emit(item, start);
    return start;
  }

  std::vector<Regex::Instruction>& program_;
  Ranges& ranges_;
};

bool holds(Regex::Place place, std::string_view text, size_t at) {
  auto word_at = [&](size_t i) {
    return i < text.size() && is_word(static_cast<unsigned char>(text[i]));
  };
  const bool boundary = word_at(at) != (at > 0 && word_at(at - 1));
  switch (place) {
    case Regex::Place::kTextBegin: return at == 0;
    case Regex::Place::kTextEnd: return at == text.size();
    case Regex::Place::kLineBegin: return at == 0 || text[at - 1] == '\n';
    case Regex::Place::kLineEnd: return at == text.size() || text[at] == '\n';
    case Regex::Place::kWordBoundary: return boundary;
    case Regex::Place::kNoWordBoundary: return !boundary;
  }
  return false;
}

}  // namespace

Regex::Regex(std::string_view pattern) {
  const SyntaxPtr syntax = Parser(pattern).parse();
  Compiler compiler(program_, ranges_);
  start_ = compiler.emit(*syntax, compiler.add({.code = Code::kMatch}));
}

bool Regex::accepts(const Instruction& instruction, char32_t character) const {
  bool found = false;
  for (uint32_t i = instruction.ranges_begin; i < instruction.ranges_end && !found; ++i)
    found = character >= ranges_[i].first && character <= ranges_[i].last;
  return found != instruction.negated;
}

bool Regex::matches_whole(std::string_view text) const {
  // The set of instructions that are reached before the character at `at`, followed through splits.
  std::vector<uint32_t> reached, pending, starts{start_};
  std::vector<size_t> seen(program_.size(), SIZE_MAX);
  for (size_t at = 0;;) {
    reached.clear();
    pending = starts;
    bool matched = false;
    while (!pending.empty()) {
      const uint32_t index = pending.back();
      pending.pop_back();
      if (seen[index] == at) continue;
      seen[index] = at;
      const Instruction& i = program_[index];
      if (i.code == Code::kMatch) matched = true;
      if (i.code == Code::kCharacter) reached.push_back(index);
      if (i.code == Code::kSplit) pending.push_back(i.other);
      if (i.code == Code::kSplit || (i.code == Code::kAssert && holds(i.place, text, at)))
        pending.push_back(i.next);
    }
    if (at == text.size()) return matched;
    const char32_t character = next_character(text, at);
    starts.clear();
    for (uint32_t index : reached)
      if (accepts(program_[index], character)) starts.push_back(program_[index].next);
    if (starts.empty()) return false;
  }
}

}  // namespace planish
