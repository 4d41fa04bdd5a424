// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <map>

#include "base/str.h"
#include "ir/text.h"
#include "planish/error.h"
#include "tensor/elements.h"

namespace planish::ir {
namespace {

constexpr int kMaxDepth = 64;

class Parser {
 public:
  Parser(std::string_view text, int64_t splat_bytes) : text_(text), splat_bytes_(splat_bytes) {}

  std::unique_ptr<Graph> run() {
    auto g = std::make_unique<Graph>();
    word("graph");
    graph(*g, {});
    skip_space();
    if (at_ != text_.size()) fail("unexpected text after the graph");
    return g;
  }

 private:
  using Scope = std::map<std::string, Value*>;

  [[noreturn]] void fail(const std::string& what) const {
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at_ && i < text_.size(); ++i) {
      ++column;
      if (text_[i] == '\n') {
        ++line;
        column = 1;
      }
    }
    throw Error(ErrorCode::kInvalidModel,
                concat("graph text, line ", line, ", column ", column, ": ", what));
  }

  // --- characters -------------------------------------------------------------------------------
  void skip_space() {
    while (at_ < text_.size()) {
      if (std::isspace(static_cast<unsigned char>(text_[at_]))) {
        ++at_;
      } else if (text_[at_] == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else {
        break;
      }
    }
  }
  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(concat("expected ", c));
  }
  static bool is_word_char(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.';
  }
  std::string any_word() {
    skip_space();
    const size_t first = at_;
    while (at_ < text_.size() && is_word_char(text_[at_])) ++at_;
    if (first == at_) fail("expected a word");
    return std::string(text_.substr(first, at_ - first));
  }
  bool take_word(std::string_view w) {
    skip_space();
    if (text_.substr(at_, w.size()) != w) return false;
    if (at_ + w.size() < text_.size() && is_word_char(text_[at_ + w.size()])) return false;
    at_ += w.size();
    return true;
  }
  void word(std::string_view w) {
    if (!take_word(w)) fail(concat("expected ", w));
  }
  static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  }
  std::string string() {
    expect('"');
    std::string out;
    for (;;) {
      if (at_ >= text_.size()) fail("unterminated string");
      const char c = text_[at_++];
      if (c == '"') return out;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (at_ >= text_.size()) fail("unterminated string");
      const char e = text_[at_++];
      if (e == 'x') {
        if (at_ + 2 > text_.size() || hex_digit(text_[at_]) < 0 || hex_digit(text_[at_ + 1]) < 0)
          fail("expected two hexadecimal digits");
        out += static_cast<char>(hex_digit(text_[at_]) * 16 + hex_digit(text_[at_ + 1]));
        at_ += 2;
      } else {
        out += e;
      }
    }
  }
  std::string value_name() {
    expect('%');
    return at_ < text_.size() && text_[at_] == '"' ? string() : any_word();
  }

  // --- numbers ----------------------------------------------------------------------------------
  struct Number {
    bool is_real = false;
    double real = 0;
    int64_t integer = 0;
    uint64_t bits = 0;  // of an unsigned integer beyond int64
  };
  Number number() {
    skip_space();
    const size_t first = at_;
    if (at_ < text_.size() && text_[at_] == '-') ++at_;
    while (at_ < text_.size() &&
           (is_word_char(text_[at_]) ||
            ((text_[at_] == '-' || text_[at_] == '+') && text_[at_ - 1] == 'e')))
      ++at_;
    const std::string token(text_.substr(first, at_ - first));
    Number n;
    n.is_real = token.find_first_of(".en") != std::string::npos;  // e of an exponent, n of inf, nan
    char* end = nullptr;
    errno = 0;
    n.real = std::strtod(token.c_str(), &end);
    if (token.empty() || *end != '\0' || token.find_first_of("xX") != std::string::npos) {
      at_ = first;
      fail("expected a number");
    }
    if (!n.is_real) {
      errno = 0;
      n.integer = std::strtoll(token.c_str(), nullptr, 10);
      n.bits = static_cast<uint64_t>(n.integer);
      if (errno == ERANGE) {
        errno = 0;
        n.bits = std::strtoull(token.c_str(), nullptr, 10);
        n.integer = static_cast<int64_t>(n.bits);
        if (errno == ERANGE || token[0] == '-') fail("integer does not fit 64 bits");
      }
    }
    return n;
  }
  int64_t integer() {
    const Number n = number();
    if (n.is_real) fail("expected an integer");
    return n.integer;
  }

  // --- types and tensors ------------------------------------------------------------------------
  DType dtype() {
    const std::string name = any_word();
    if (name == "undefined") return DType::kUndefined;
    const auto type = dtype_from_name(name);
    if (!type) fail(concat("there is no data type ", name));
    return *type;
  }
  Dim dim() {
    skip_space();
    const size_t first = at_;
    int depth = 0;
    bool in_string = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (in_string) {
        if (c == '\\') ++at_;
        if (c == '"') in_string = false;
      } else if (c == '"') {
        in_string = true;
      } else if (c == '(') {
        ++depth;
      } else if (c == ')') {
        --depth;
      } else if (c == ']' || (c == ',' && depth == 0)) {
        break;
      }
    }
    if (at_ > text_.size()) at_ = text_.size();
    return Dim::parse(text_.substr(first, at_ - first));
  }
  Type type() {
    if (++depth_ > kMaxDepth) fail("nested too deep");
    Type out = type_inner();
    --depth_;
    return out;
  }
  Type type_inner() {
    if (take('?')) return {};
    for (const bool is_sequence : {true, false}) {
      if (!take_word(is_sequence ? "sequence" : "optional")) continue;
      expect('(');
      Type element = type();
      expect(')');
      Type out = is_sequence ? Type::sequence(element) : Type::optional(element);
      if (element.kind == Type::Kind::kUnknown) out.element = nullptr;
      return out;
    }
    if (take_word("map")) {
      expect('(');
      const DType key = dtype();
      expect(',');
      const DType value = dtype();
      expect(')');
      return Type::map(key, value);
    }
    const DType element = dtype();
    expect('[');
    if (take('.')) {
      expect('.');
      expect('.');
      expect(']');
      return Type::tensor(element);
    }
    Shape shape;
    if (!take(']')) {
      do shape.push_back(dim());
      while (take(','));
      expect(']');
    }
    return Type::tensor(element, std::move(shape));
  }
  Tensor tensor() {
    const Type t = type();
    if (!t.is_static()) fail("a tensor needs constant dimensions");
    Dims dims = *constant_dims(*t.shape);
    const int64_t count = element_count(dims);
    if (t.dtype == DType::kString) {
      std::vector<std::string> values;
      expect('{');
      if (!take('}')) {
        do values.push_back(string());
        while (take(','));
        expect('}');
      }
      if (count != static_cast<int64_t>(values.size()))
        fail(concat("expected ", count, " strings, got ", values.size()));
      return Tensor::strings(std::move(dims), std::move(values));
    }
    if (take_word("hex")) return hex(t.dtype, std::move(dims));
    if (t.dtype == DType::kUndefined) fail("a tensor needs a data type");
    const bool is_splat = take_word("splat");
    // What is listed takes a character an element at least.
    if (is_splat)
      spend_splat(t.dtype, count);
    else if (count > static_cast<int64_t>(text_.size() - std::min(at_, text_.size())))
      fail(concat("expected ", count, " elements, the text ends before"));
    Tensor out(t.dtype, std::move(dims));
    if (is_splat) {
      const Number n = number();
      for (int64_t i = 0; i < count; ++i) put(out, i, n);
      return out;
    }
    expect('{');
    for (int64_t i = 0; i < count; ++i) {
      if (i != 0) expect(',');
      put(out, i, number());
    }
    expect('}');
    return out;
  }
  static void put(Tensor& t, int64_t i, const Number& n) {
    if (n.is_real)
      store<double>(t, i, 1, &n.real);
    else if (dtype_class(t.dtype()) == DTypeClass::kUnsigned)
      store<uint64_t>(t, i, 1, &n.bits);
    else
      store<int64_t>(t, i, 1, &n.integer);
  }
  void spend_splat(DType type, int64_t count) {
    const uint64_t bytes = dtype_bytes(type, count);
    if (bytes > static_cast<uint64_t>(splat_bytes_))
      throw Error(ErrorCode::kBudgetExceeded, "graph text: constants take too many bytes");
    splat_bytes_ -= static_cast<int64_t>(bytes);
  }
  Tensor hex(DType type, Dims dims) {
    const std::string digits = string();
    if (digits.size() % 2 != 0 || digits.size() / 2 != dtype_bytes(type, element_count(dims)))
      fail(concat("expected ", dtype_bytes(type, element_count(dims)),
                  " bytes in hexadecimal, got ", digits.size(), " digits"));
    Tensor out(type, std::move(dims));
    for (size_t i = 0; i < out.bytes(); ++i) {
      const int high = hex_digit(digits[2 * i]), low = hex_digit(digits[2 * i + 1]);
      if (high < 0 || low < 0) fail("expected hexadecimal digits");
      out.data()[i] = static_cast<std::byte>(high * 16 + low);
    }
    return out;
  }

  // --- attributes -------------------------------------------------------------------------------
  template <class T, class F>
  std::vector<T> list(F item) {
    std::vector<T> out;
    expect('[');
    if (take(']')) return out;
    do out.push_back(item());
    while (take(','));
    expect(']');
    return out;
  }
  Attribute attribute() {
    if (peek() == '"') return string();
    if (take_word("tensors")) return list<Tensor>([&] { return tensor(); });
    if (take_word("tensor")) return tensor();
    if (take_word("type")) return type();
    if (take_word("ints")) return list<int64_t>([&] { return integer(); });
    if (take_word("floats")) return list<double>([&] { return number().real; });
    if (take_word("strings")) return list<std::string>([&] { return string(); });
    if (peek() != '[') {
      const Number n = number();
      return n.is_real ? Attribute(n.real) : Attribute(n.integer);
    }
    const size_t first = at_;
    ++at_;
    if (peek() == '"') {
      at_ = first;
      return list<std::string>([&] { return string(); });
    }
    at_ = first;
    bool any_real = false;
    std::vector<Number> numbers = list<Number>([&] { return number(); });
    for (const Number& n : numbers) any_real |= n.is_real;
    if (any_real) {
      std::vector<double> out;
      for (const Number& n : numbers) out.push_back(n.real);
      return out;
    }
    std::vector<int64_t> out;
    for (const Number& n : numbers) out.push_back(n.integer);
    return out;
  }

  // --- graph ------------------------------------------------------------------------------------
  void graph(Graph& g, Scope scope) {
    if (++depth_ > kMaxDepth) fail("nested too deep");
    if (peek() == '"') g.set_name(string());
    expect('{');
    while (!take('}')) {
      if (take_word("meta")) {
        const std::string key = string();
        expect('=');
        g.metadata()[key] = string();
      } else if (take_word("input")) {
        const std::string name = value_name();
        expect(':');
        define(scope, name, g.add_input(name, type()));
      } else if (take_word("const")) {
        const std::string name = value_name();
        expect('=');
        define(scope, name, g.add_constant(name, tensor()));
      } else if (take_word("output")) {
        const std::string name = value_name();
        Value* v = use(scope, name);
        g.add_output(v, take_word("as") ? string() : name);
      } else {
        node(g, scope);
      }
    }
    --depth_;
  }
  void define(Scope& scope, const std::string& name, Value* v) {
    if (const auto it = scope.find(name); it != scope.end() && it->second->graph() == v->graph())
      fail(concat("%", name, " is defined twice"));
    scope[name] = v;
  }
  Value* use(const Scope& scope, const std::string& name) const {
    const auto it = scope.find(name);
    if (it == scope.end()) fail(concat("%", name, " is not defined"));
    return it->second;
  }
  void node(Graph& g, Scope& scope) {
    std::vector<std::string> outputs;
    NodeOptions options;
    if (peek() == '%' || peek() == '_') {
      do {
        options.wanted.push_back(peek() != '_');
        outputs.push_back(take('_') ? "" : value_name());
      } while (take(','));
      expect('=');
    }
    const std::string op = any_word();
    std::vector<Value*> inputs;
    expect('(');
    if (!take(')')) {
      do inputs.push_back(take('_') ? nullptr : use(scope, value_name()));
      while (take(','));
      expect(')');
    }
    if (take('{')) {
      do {
        const std::string key = any_word();
        expect('=');
        options.attributes.set(key, attribute());
      } while (take(','));
      expect('}');
    }
    Node* n = g.add_node(op, inputs, static_cast<int>(outputs.size()), options);
    while (std::isalpha(static_cast<unsigned char>(peek()))) {
      const size_t first = at_;
      const std::string key = any_word();
      if (peek() != '=') {  // the next statement
        at_ = first;
        break;
      }
      ++at_;
      word("graph");
      if (n->subgraph(key) != nullptr) fail(concat("subgraph ", key, " is there twice"));
      graph(*n->add_subgraph(key), scope);
    }
    if (take(':')) {
      for (size_t i = 0; i < outputs.size(); ++i) {
        if (i != 0) expect(',');
        if (take('_')) continue;
        const Type t = type();
        if (n->outputs()[i] != nullptr) n->outputs()[i]->set_type(t);
      }
    }
    if (peek() == '"') g.rename(n, string());
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (n->outputs()[i] == nullptr) continue;
      g.rename(n->outputs()[i], outputs[i]);
      define(scope, outputs[i], n->outputs()[i]);
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  int64_t splat_bytes_;
};

}  // namespace

std::unique_ptr<Graph> parse(std::string_view text, int64_t splat_bytes) {
  return Parser(text, splat_bytes).run();
}

}  // namespace planish::ir
