// SPDX-License-Identifier: Apache-2.0
// A dimension: an integer, or an expression over named symbols.
//
//   Dim n = Dim::symbol("batch", {1, 64});
//   Dim m = (n * 4 + 6).floor_div(2);        // canonical: 2*batch + 3
//   m.evaluate(bindings);
//
// Expressions are kept canonical (a sum of products with integer coefficients over atoms, an atom
// being a symbol or a floor_div, min or max of canonical expressions), so two dims that are
// equal for a reason that this algebra knows compare equal. Symbols with the same name are the same
// symbol. Values are cheap to copy; constants never allocate.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace planish {

struct DimRange {
  int64_t min = 0;
  int64_t max = INT64_MAX;
  bool operator==(const DimRange&) const = default;
};

struct DimExpr;  // opaque

class Dim {
 public:
  enum class Kind : uint8_t { kConstant, kSymbol, kSum, kFloorDiv, kMin, kMax };

  Dim() = default;
  Dim(int64_t value) : value_(value) {}  // NOLINT: implicit on purpose, so that 1 is a Dim
  static Dim symbol(std::string_view name, DimRange range = {});

  bool is_constant() const { return expr_ == nullptr; }
  bool is_symbol() const;
  // Requires is_constant().
  int64_t value() const;
  std::optional<int64_t> constant() const {
    return is_constant() ? std::optional<int64_t>(value_) : std::nullopt;
  }
  // Requires is_symbol().
  const std::string& symbol_name() const;

  friend Dim operator+(const Dim& a, const Dim& b);
  friend Dim operator-(const Dim& a, const Dim& b);
  friend Dim operator*(const Dim& a, const Dim& b);
  // Rounds towards minus infinity, as Python's // and %. b must not be the constant 0 (throws
  // kInvalidShape).
  Dim floor_div(const Dim& b) const;
  Dim mod(const Dim& b) const;
  Dim ceil_div(const Dim& b) const;
  static Dim min(const Dim& a, const Dim& b);
  static Dim max(const Dim& a, const Dim& b);

  // Provably equal for all bindings. Not equal does not mean different: see `differs`.
  bool operator==(const Dim& other) const;
  // Provably different for every binding within the ranges.
  static bool differs(const Dim& a, const Dim& b);
  // Exact quotient a / b if provable: 6*n*m by 2*n is 3*m.
  static std::optional<Dim> exact_div(const Dim& a, const Dim& b);

  // Bounds over the symbols' ranges (saturating).
  DimRange range() const;

  // The value under `lookup` (name -> value, nullopt if unbound); nullopt if a symbol is unbound,
  // the value overflows or a divisor is zero.
  using Lookup = std::function<std::optional<int64_t>(const std::string&)>;
  std::optional<int64_t> evaluate(const Lookup& lookup) const;
  // Replaces symbols (name -> dim).
  Dim substitute(const std::map<std::string, Dim>& replacements) const;
  void collect_symbols(std::map<std::string, DimRange>& into) const;

  // "3", "batch", "2*batch+3", "floor_div(h-1,2)+1". parse(to_string()) gives the dim back.
  std::string to_string() const;
  // Symbols take their range from `ranges` (absent: the default). Throws kInvalidArgument.
  static Dim parse(std::string_view text, const std::map<std::string, DimRange>& ranges = {});

  // Structure, for evaluators and serialisers. A sum is constant + sum of coefficient * product.
  struct Term {
    int64_t coefficient;
    std::vector<Dim> atoms;  // symbols or kFloorDiv/kMin/kMax, sorted; repeated for powers
  };
  Kind kind() const;
  int64_t sum_constant() const;                // kSum
  const std::vector<Term>& sum_terms() const;  // kSum
  const Dim& lhs() const;                      // kFloorDiv .. kMax
  const Dim& rhs() const;

 private:
  explicit Dim(std::shared_ptr<const DimExpr> expr) : expr_(std::move(expr)) {}
  friend struct DimBuilder;
  friend struct DimExpr;
  int64_t value_ = 0;
  std::shared_ptr<const DimExpr> expr_;
};

using Shape = std::vector<Dim>;

std::string to_string(const Shape& shape);  // "[batch, 3, 224, 224]"
std::optional<std::vector<int64_t>> constant_dims(const Shape& shape);
Dim product(const Shape& shape, size_t first = 0, size_t last = SIZE_MAX);

}  // namespace planish
