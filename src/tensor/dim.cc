// SPDX-License-Identifier: Apache-2.0
#include "tensor/dim.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/str.h"
#include "planish/error.h"

namespace planish {

struct DimExpr {
  Dim::Kind kind = Dim::Kind::kSum;
  std::string name;              // kSymbol
  DimRange range;                // kSymbol
  int64_t constant = 0;          // kSum
  std::vector<Dim::Term> terms;  // kSum
  Dim a, b;                      // kFloorDiv, kMin, kMax
  std::string key;               // canonical text; equal keys are equal expressions
};

namespace {

[[noreturn]] void fail_overflow() {
  throw Error(ErrorCode::kInvalidShape, "dimension arithmetic overflows 64 bits");
}

int64_t add_checked(int64_t a, int64_t b) {
  int64_t r = 0;
  if (__builtin_add_overflow(a, b, &r)) fail_overflow();
  return r;
}

int64_t mul_checked(int64_t a, int64_t b) {
  int64_t r = 0;
  if (__builtin_mul_overflow(a, b, &r)) fail_overflow();
  return r;
}

int64_t floor_div_int(int64_t a, int64_t b) {
  if (a == INT64_MIN && b == -1) fail_overflow();
  const int64_t q = a / b;
  return (a % b != 0 && ((a < 0) != (b < 0))) ? q - 1 : q;
}

bool plain_name(std::string_view name) {
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '?' || c == '.';
  });
}

std::string quoted(std::string_view name) {
  if (plain_name(name)) return std::string(name);
  std::string out = "\"";
  for (char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string atoms_key(const std::vector<Dim>& atoms) {
  std::string key;
  for (const Dim& atom : atoms) {
    if (!key.empty()) key += '*';
    key += atom.to_string();
  }
  return key;
}

// A sum of products, keyed by the product's text so that iteration is deterministic.
struct Polynomial {
  int64_t constant = 0;
  std::map<std::string, Dim::Term> terms;

  void add(const Dim::Term& term) {
    auto [it, inserted] = terms.try_emplace(atoms_key(term.atoms), term);
    if (!inserted) it->second.coefficient = add_checked(it->second.coefficient, term.coefficient);
    if (it->second.coefficient == 0) terms.erase(it);
  }
  bool is_zero() const { return constant == 0 && terms.empty(); }
};

Polynomial expand(const Dim& d) {
  Polynomial p;
  if (d.is_constant()) {
    p.constant = d.value();
  } else if (d.kind() == Dim::Kind::kSum) {
    p.constant = d.sum_constant();
    for (const auto& term : d.sum_terms()) p.add(term);
  } else {
    p.add({1, {d}});
  }
  return p;
}

Dim::Term multiply(const Dim::Term& x, const Dim::Term& y) {
  Dim::Term out{mul_checked(x.coefficient, y.coefficient), x.atoms};
  out.atoms.insert(out.atoms.end(), y.atoms.begin(), y.atoms.end());
  std::sort(out.atoms.begin(), out.atoms.end(),
            [](const Dim& a, const Dim& b) { return a.to_string() < b.to_string(); });
  return out;
}

Polynomial multiply(const Polynomial& x, const Polynomial& y) {
  Polynomial out;
  out.constant = mul_checked(x.constant, y.constant);
  for (const auto& [kx, tx] : x.terms) {
    if (y.constant != 0) out.add({mul_checked(tx.coefficient, y.constant), tx.atoms});
    for (const auto& [ky, ty] : y.terms) out.add(multiply(tx, ty));
  }
  if (x.constant != 0)
    for (const auto& [ky, ty] : y.terms)
      out.add({mul_checked(ty.coefficient, x.constant), ty.atoms});
  return out;
}

using Wide = __int128;

int64_t saturate(Wide v) {
  return v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : static_cast<int64_t>(v);
}

// x * y where INT64_MAX and INT64_MIN stand for infinities.
int64_t mul_saturating(int64_t x, int64_t y) { return saturate(static_cast<Wide>(x) * y); }

DimRange mul_range(DimRange x, DimRange y) {
  const int64_t c[4] = {mul_saturating(x.min, y.min), mul_saturating(x.min, y.max),
                        mul_saturating(x.max, y.min), mul_saturating(x.max, y.max)};
  return {*std::min_element(c, c + 4), *std::max_element(c, c + 4)};
}

DimRange add_range(DimRange x, DimRange y) {
  auto add = [](int64_t a, int64_t b, int64_t infinity) {
    return a == infinity || b == infinity ? infinity : saturate(static_cast<Wide>(a) + b);
  };
  return {add(x.min, y.min, INT64_MIN), add(x.max, y.max, INT64_MAX)};
}

}  // namespace

// Makes canonical dims; the only place that constructs expressions.
struct DimBuilder {
  static Dim make(DimExpr expr) { return Dim(std::make_shared<const DimExpr>(std::move(expr))); }

  static Dim binary(Dim::Kind kind, const char* word, const Dim& a, const Dim& b) {
    DimExpr e;
    e.kind = kind;
    e.a = a;
    e.b = b;
    e.key = concat(word, "(", a.to_string(), ",", b.to_string(), ")");
    return make(std::move(e));
  }

  static Dim from(Polynomial p) {
    if (p.terms.empty()) return Dim(p.constant);
    if (p.constant == 0 && p.terms.size() == 1) {
      const auto& term = p.terms.begin()->second;
      if (term.coefficient == 1 && term.atoms.size() == 1) return term.atoms[0];
    }
    DimExpr e;
    e.kind = Dim::Kind::kSum;
    e.constant = p.constant;
    for (auto& [key, term] : p.terms) {
      if (!e.key.empty() && term.coefficient >= 0) e.key += '+';
      if (term.coefficient == -1)
        e.key += '-';
      else if (term.coefficient != 1)
        e.key += concat(term.coefficient, '*');
      e.key += key;
      e.terms.push_back(std::move(term));
    }
    if (p.constant != 0) e.key += concat(p.constant > 0 ? "+" : "", p.constant);
    return make(std::move(e));
  }

  static Dim symbol(std::string_view name, DimRange range) {
    DimExpr e;
    e.kind = Dim::Kind::kSymbol;
    e.name = name;
    e.range = range;
    e.key = quoted(name);
    return make(std::move(e));
  }

  // floor(x / p) with a positive constant p that divides none of x's parts.
  static Dim floor_div_rest(const Dim& x, int64_t p) {
    const DimRange r = x.range();
    if (r.min >= 0 && r.max < p) return Dim(0);
    // floor((floor(y / q) + c) / p) = floor((y + c * q) / (p * q))
    const Polynomial poly = expand(x);
    if (poly.terms.size() == 1) {
      const auto& term = poly.terms.begin()->second;
      if (term.coefficient == 1 && term.atoms.size() == 1 &&
          term.atoms[0].kind() == Dim::Kind::kFloorDiv && term.atoms[0].rhs().is_constant() &&
          term.atoms[0].rhs().value() > 0) {
        const int64_t q = term.atoms[0].rhs().value();
        const Dim inner = term.atoms[0].lhs() + Dim(mul_checked(poly.constant, q));
        return inner.floor_div(Dim(mul_checked(p, q)));
      }
    }
    return binary(Dim::Kind::kFloorDiv, "floor_div", x, Dim(p));
  }
};

Dim Dim::symbol(std::string_view name, DimRange range) {
  if (range.min == range.max) return Dim(range.min);
  return DimBuilder::symbol(name, range);
}

bool Dim::is_symbol() const { return expr_ && expr_->kind == Kind::kSymbol; }

int64_t Dim::value() const {
  if (expr_)
    throw Error(ErrorCode::kInternal, concat("dimension ", to_string(), " is not constant"));
  return value_;
}

const std::string& Dim::symbol_name() const {
  if (!is_symbol())
    throw Error(ErrorCode::kInternal, concat("dimension ", to_string(), " is not a symbol"));
  return expr_->name;
}

Dim operator+(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) return Dim(add_checked(a.value_, b.value_));
  Polynomial p = expand(a);
  const Polynomial q = expand(b);
  p.constant = add_checked(p.constant, q.constant);
  for (const auto& [key, term] : q.terms) p.add(term);
  return DimBuilder::from(std::move(p));
}

Dim operator-(const Dim& a, const Dim& b) { return a + b * Dim(-1); }

Dim operator*(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) return Dim(mul_checked(a.value_, b.value_));
  return DimBuilder::from(multiply(expand(a), expand(b)));
}

Dim Dim::floor_div(const Dim& b) const {
  if (b.is_constant()) {
    const int64_t p = b.value();
    if (p == 0) throw Error(ErrorCode::kInvalidShape, "dimension is divided by zero");
    if (is_constant()) return Dim(floor_div_int(value_, p));
    if (p == 1) return *this;
    if (p < 0) return (*this * Dim(-1)).floor_div(b * Dim(-1));
    const Polynomial poly = expand(*this);
    Polynomial quotient, rest;
    quotient.constant = floor_div_int(poly.constant, p);
    rest.constant = poly.constant - quotient.constant * p;
    for (const auto& [key, term] : poly.terms) {
      if (term.coefficient % p == 0)
        quotient.add({term.coefficient / p, term.atoms});
      else
        rest.add(term);
    }
    Dim out = DimBuilder::from(std::move(quotient));
    if (rest.terms.empty()) return out;
    return out + DimBuilder::floor_div_rest(DimBuilder::from(std::move(rest)), p);
  }
  if (b.range().min >= 1)
    if (auto exact = exact_div(*this, b)) return *exact;
  return DimBuilder::binary(Kind::kFloorDiv, "floor_div", *this, b);
}

Dim Dim::mod(const Dim& b) const { return *this - b * floor_div(b); }
Dim Dim::ceil_div(const Dim& b) const { return Dim(0) - (Dim(0) - *this).floor_div(b); }

// max(a, min(a, x)) = a, max(a, max(a, x)) = max(a, x), and the same with min and max exchanged:
// what broadcasting a cut of an axis to the axis, layer after layer, piles up.
static std::optional<Dim> absorbed(Dim::Kind kind, const Dim& a, const Dim& b) {
  const Dim::Kind other = kind == Dim::Kind::kMin ? Dim::Kind::kMax : Dim::Kind::kMin;
  const auto holds = [](const Dim& in, Dim::Kind of, const Dim& x) {
    return in.kind() == of && (in.lhs() == x || in.rhs() == x);
  };
  if (holds(b, other, a) || holds(a, kind, b)) return a;
  if (holds(a, other, b) || holds(b, kind, a)) return b;
  return std::nullopt;
}

Dim Dim::min(const Dim& a, const Dim& b) {
  if (a == b) return a;
  if (const auto one = absorbed(Kind::kMin, a, b)) return *one;
  const DimRange r = (a - b).range();
  if (r.max <= 0) return a;
  if (r.min >= 0) return b;
  return a.to_string() < b.to_string() ? DimBuilder::binary(Kind::kMin, "min", a, b)
                                       : DimBuilder::binary(Kind::kMin, "min", b, a);
}

Dim Dim::max(const Dim& a, const Dim& b) {
  if (a == b) return a;
  if (const auto one = absorbed(Kind::kMax, a, b)) return *one;
  const DimRange r = (a - b).range();
  if (r.max <= 0) return b;
  if (r.min >= 0) return a;
  return a.to_string() < b.to_string() ? DimBuilder::binary(Kind::kMax, "max", a, b)
                                       : DimBuilder::binary(Kind::kMax, "max", b, a);
}

bool Dim::operator==(const Dim& other) const {
  if (is_constant() || other.is_constant())
    return is_constant() && other.is_constant() && value_ == other.value_;
  return expr_ == other.expr_ || expr_->key == other.expr_->key;
}

bool Dim::differs(const Dim& a, const Dim& b) {
  const DimRange r = (a - b).range();
  return r.min > 0 || r.max < 0;
}

std::optional<Dim> Dim::exact_div(const Dim& a, const Dim& b) {
  if (b.is_constant() && b.value() == 0) return std::nullopt;
  if (a.is_constant() && b.is_constant())
    return a.value() % b.value() == 0 ? std::optional<Dim>(Dim(a.value() / b.value()))
                                      : std::nullopt;
  const Polynomial divisor = expand(b);
  const Dim::Term lead =
      divisor.terms.empty() ? Dim::Term{divisor.constant, {}} : divisor.terms.begin()->second;
  Dim rest = a, quotient(0);
  for (int step = 0; step < 32; ++step) {
    const Polynomial p = expand(rest);
    if (p.is_zero()) return quotient;
    // Any term that the leading term divides may come next; a wrong pick only fails to end.
    std::optional<Dim::Term> next;
    auto consider = [&](const Dim::Term& term) {
      if (next || term.coefficient % lead.coefficient != 0) return;
      std::vector<Dim> left = term.atoms;
      for (const Dim& atom : lead.atoms) {
        auto it = std::find(left.begin(), left.end(), atom);
        if (it == left.end()) return;
        left.erase(it);
      }
      next = Dim::Term{term.coefficient / lead.coefficient, left};
    };
    for (const auto& [key, term] : p.terms) consider(term);
    if (p.constant != 0) consider({p.constant, {}});
    if (!next) return std::nullopt;
    Polynomial q;
    if (next->atoms.empty())
      q.constant = next->coefficient;
    else
      q.add(*next);
    const Dim part = DimBuilder::from(std::move(q));
    quotient = quotient + part;
    rest = rest - part * b;
  }
  return std::nullopt;
}

DimRange Dim::range() const {
  switch (kind()) {
    case Kind::kConstant: return {value_, value_};
    case Kind::kSymbol: return expr_->range;
    case Kind::kSum: {
      DimRange total{expr_->constant, expr_->constant};
      for (const Term& term : expr_->terms) {
        DimRange r{term.coefficient, term.coefficient};
        for (const Dim& atom : term.atoms) r = mul_range(r, atom.range());
        total = add_range(total, r);
      }
      return total;
    }
    case Kind::kFloorDiv: {
      const DimRange x = lhs().range(), y = rhs().range();
      if (y.min <= 0) return {INT64_MIN, INT64_MAX};
      const int64_t lo =
          x.min == INT64_MIN ? INT64_MIN : floor_div_int(x.min, x.min >= 0 ? y.max : y.min);
      const int64_t hi =
          x.max == INT64_MAX ? INT64_MAX : floor_div_int(x.max, x.max >= 0 ? y.min : y.max);
      return {lo, hi};
    }
    case Kind::kMin: {
      const DimRange x = lhs().range(), y = rhs().range();
      return {std::min(x.min, y.min), std::min(x.max, y.max)};
    }
    case Kind::kMax: {
      const DimRange x = lhs().range(), y = rhs().range();
      return {std::max(x.min, y.min), std::max(x.max, y.max)};
    }
  }
  return {INT64_MIN, INT64_MAX};
}

std::optional<int64_t> Dim::evaluate(const Lookup& lookup) const {
  switch (kind()) {
    case Kind::kConstant: return value_;
    case Kind::kSymbol: return lookup(expr_->name);
    case Kind::kSum: {
      int64_t total = expr_->constant;
      for (const Term& term : expr_->terms) {
        int64_t part = term.coefficient;
        for (const Dim& atom : term.atoms) {
          const auto v = atom.evaluate(lookup);
          if (!v || __builtin_mul_overflow(part, *v, &part)) return std::nullopt;
        }
        if (__builtin_add_overflow(total, part, &total)) return std::nullopt;
      }
      return total;
    }
    default: break;
  }
  const auto x = lhs().evaluate(lookup), y = rhs().evaluate(lookup);
  if (!x || !y) return std::nullopt;
  if (kind() == Kind::kMin) return std::min(*x, *y);
  if (kind() == Kind::kMax) return std::max(*x, *y);
  if (*y == 0 || (*x == INT64_MIN && *y == -1)) return std::nullopt;
  return floor_div_int(*x, *y);
}

Dim Dim::substitute(const std::map<std::string, Dim>& replacements) const {
  switch (kind()) {
    case Kind::kConstant: return *this;
    case Kind::kSymbol: {
      const auto it = replacements.find(expr_->name);
      return it == replacements.end() ? *this : it->second;
    }
    case Kind::kSum: {
      Dim total(expr_->constant);
      for (const Term& term : expr_->terms) {
        Dim part(term.coefficient);
        for (const Dim& atom : term.atoms) part = part * atom.substitute(replacements);
        total = total + part;
      }
      return total;
    }
    default: break;
  }
  const Dim x = lhs().substitute(replacements), y = rhs().substitute(replacements);
  if (kind() == Kind::kMin) return min(x, y);
  if (kind() == Kind::kMax) return max(x, y);
  return x.floor_div(y);
}

void Dim::collect_symbols(std::map<std::string, DimRange>& into) const {
  switch (kind()) {
    case Kind::kConstant: return;
    case Kind::kSymbol: into.emplace(expr_->name, expr_->range); return;
    case Kind::kSum:
      for (const Term& term : expr_->terms)
        for (const Dim& atom : term.atoms) atom.collect_symbols(into);
      return;
    default: lhs().collect_symbols(into); rhs().collect_symbols(into);
  }
}

std::string Dim::to_string() const { return expr_ ? expr_->key : std::to_string(value_); }

Dim::Kind Dim::kind() const { return expr_ ? expr_->kind : Kind::kConstant; }
int64_t Dim::sum_constant() const { return expr_->constant; }
const std::vector<Dim::Term>& Dim::sum_terms() const { return expr_->terms; }
const Dim& Dim::lhs() const { return expr_->a; }
const Dim& Dim::rhs() const { return expr_->b; }

namespace {

class DimParser {
 public:
  DimParser(std::string_view text, const std::map<std::string, DimRange>& ranges)
      : text_(text), ranges_(ranges) {}

  Dim parse() {
    const Dim d = sum();
    skip_space();
    if (at_ != text_.size()) fail("unexpected text");
    return d;
  }

 private:
  static constexpr int kMaxDepth = 200;

  [[noreturn]] void fail(std::string_view what) const {
    throw Error(ErrorCode::kInvalidArgument,
                concat("dimension \"", text_, "\": ", what, " at position ", at_));
  }
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  Dim sum() {
    if (++depth_ > kMaxDepth) fail("nested too deep");
    Dim total = term();
    for (;;) {
      if (take('+'))
        total = total + term();
      else if (take('-'))
        total = total - term();
      else
        break;
    }
    --depth_;
    return total;
  }
  Dim term() {
    Dim total = factor();
    while (take('*')) total = total * factor();
    return total;
  }
  Dim factor() {
    if (take('-')) {
      if (++depth_ > kMaxDepth) fail("nested too deep");
      const Dim d = Dim(0) - factor();
      --depth_;
      return d;
    }
    if (take('(')) {
      const Dim d = sum();
      if (!take(')')) fail("expected )");
      return d;
    }
    skip_space();
    if (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) return number();
    const bool is_quoted = at_ < text_.size() && text_[at_] == '"';
    const std::string name = is_quoted ? quoted_name() : bare_name();
    if (!is_quoted && (name == "floor_div" || name == "min" || name == "max") && take('(')) {
      const Dim a = sum();
      if (!take(',')) fail("expected ,");
      const Dim b = sum();
      if (!take(')')) fail("expected )");
      return name == "min" ? Dim::min(a, b) : name == "max" ? Dim::max(a, b) : a.floor_div(b);
    }
    const auto it = ranges_.find(name);
    return Dim::symbol(name, it == ranges_.end() ? DimRange{} : it->second);
  }
  Dim number() {
    int64_t v = 0;
    while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) {
      if (__builtin_mul_overflow(v, int64_t{10}, &v) ||
          __builtin_add_overflow(v, static_cast<int64_t>(text_[at_] - '0'), &v))
        fail("number does not fit 64 bits");
      ++at_;
    }
    return Dim(v);
  }
  std::string bare_name() {
    const size_t first = at_;
    while (at_ < text_.size() && plain_name(text_.substr(first, at_ + 1 - first))) ++at_;
    if (at_ == first) fail("expected a number or a name");
    return std::string(text_.substr(first, at_ - first));
  }
  std::string quoted_name() {
    std::string name;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      name += text_[at_];
    }
    if (at_ >= text_.size()) fail("unterminated name");
    ++at_;
    return name;
  }

  std::string_view text_;
  const std::map<std::string, DimRange>& ranges_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Dim Dim::parse(std::string_view text, const std::map<std::string, DimRange>& ranges) {
  return DimParser(text, ranges).parse();
}

std::string to_string(const Shape& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i) out += ", ";
    out += shape[i].to_string();
  }
  return out + "]";
}

std::optional<std::vector<int64_t>> constant_dims(const Shape& shape) {
  std::vector<int64_t> out;
  out.reserve(shape.size());
  for (const Dim& d : shape) {
    if (!d.is_constant()) return std::nullopt;
    out.push_back(d.value());
  }
  return out;
}

Dim product(const Shape& shape, size_t first, size_t last) {
  Dim out(1);
  for (size_t i = first; i < std::min(last, shape.size()); ++i) out = out * shape[i];
  return out;
}

}  // namespace planish
