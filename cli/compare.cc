// SPDX-License-Identifier: Apache-2.0
#include "compare.h"

#include <cmath>
#include <map>
#include <numeric>

#include "dtypes.h"

namespace planish::cli {
namespace {

// Which element of theirs belongs to each of ours.
using Order = std::vector<size_t>;

Order in_order(size_t count) {
  Order order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  return order;
}

Difference unlike(const Answer& ours, const Answer& theirs) {
  Difference d;
  d.reason = "is " + kind_text(ours) + ", expected " + kind_text(theirs);
  return d;
}

Difference compare_exactly(const Value& ours, const Value& theirs, const Order& order) {
  Difference d;
  size_t wrong = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (same_element(ours, i, theirs, order[i])) continue;
    if (wrong++ > 0) continue;
    d.worst = i;
    d.ours = fitted(element_text(ours, i), 24);
    d.theirs = fitted(element_text(theirs, order[i]), 24);
  }
  if (wrong > 0)
    d.reason = "element " + std::to_string(d.worst) + " is " + d.ours + ", expected " + d.theirs +
               "; " + std::to_string(wrong) + " of " + std::to_string(order.size()) + " differ";
  return d;
}

Difference compare_tensors(const Value& ours, const Value& theirs, const Order& order) {
  if (ours.dims() != theirs.dims() || ours.dtype() != theirs.dtype()) return unlike(ours, theirs);
  if (!is_floating(ours.dtype())) return compare_exactly(ours, theirs, order);
  Difference d;
  double largest = 0;
  const size_t parts = is_complex(ours.dtype()) ? 2 : 1;
  for (size_t i = 0; i < order.size(); ++i)
    for (size_t part = 0; part < parts; ++part) {
      const double a = element(ours, i, part), b = element(theirs, order[i], part);
      if (std::isfinite(b)) largest = std::max(largest, std::fabs(b));
      double gap = a == b || (std::isnan(a) && std::isnan(b)) ? 0 : std::fabs(a - b);
      if (std::isnan(gap)) gap = INFINITY;
      if (gap <= d.absolute) continue;
      d.absolute = gap;
      d.worst = i;
    }
  if (d.absolute == 0) return d;
  d.relative = d.absolute / (largest > 0 ? largest : 1);
  d.ours = element_text(ours, d.worst);
  d.theirs = element_text(theirs, order[d.worst]);
  return d;
}

Difference compare_in(const Answer& ours, const Answer& theirs, const Order& order);

// Where every key of ours stands in theirs; what is wrong, if they are not the same keys.
std::string match_keys(const Value& ours, const Value& theirs, Order& order) {
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < element_count(theirs); ++i) places.emplace(element_text(theirs, i), i);
  for (size_t i = 0; i < element_count(ours); ++i) {
    const auto it = places.find(element_text(ours, i));
    if (it == places.end())
      return "has the key " + fitted(element_text(ours, i), 24) + ", which is not expected";
    order.push_back(it->second);
    places.erase(it);
  }
  if (places.empty()) return {};
  return "has no key " + fitted(places.begin()->first, 24) + ", which is expected";
}

Difference compare_maps(const Answer& ours, const Answer& theirs) {
  const Value &keys = ours.parts[0].tensor, &others = theirs.parts[0].tensor;
  if (keys.dtype() != others.dtype()) {
    Difference d = unlike(ours.parts[0], theirs.parts[0]);
    d.reason = "keys: " + d.reason;
    return d;
  }
  Difference d;
  Order order;
  d.reason = match_keys(keys, others, order);
  return d.reason.empty() ? compare_in(ours.parts[1], theirs.parts[1], order) : d;
}

Difference compare_in(const Answer& ours, const Answer& theirs, const Order& order) {
  if (ours.kind != theirs.kind) return unlike(ours, theirs);
  switch (ours.kind) {
    case Answer::Kind::kNone: return {};
    case Answer::Kind::kTensor: return compare_tensors(ours.tensor, theirs.tensor, order);
    case Answer::Kind::kMap: return compare_maps(ours, theirs);
    case Answer::Kind::kSequence: break;
  }
  if (ours.parts.size() != theirs.parts.size()) return unlike(ours, theirs);
  Difference worst;
  for (size_t i = 0; i < ours.parts.size(); ++i) {
    Difference d = compare(ours.parts[i], theirs.parts[order[i]]);
    if (!d.reason.empty()) d.reason = "item " + std::to_string(i) + " " + d.reason;
    if (!d.reason.empty() || d.relative > worst.relative) worst = d;
    if (!d.reason.empty()) break;
  }
  return worst;
}

}  // namespace

Answer::Answer(const Value& value) {
  if (value.is_tensor()) {
    kind = Kind::kTensor;
    tensor = value;
  } else if (value.is_sequence()) {
    kind = Kind::kSequence;
    for (size_t i = 0; i < value.count(); ++i) parts.emplace_back(value.item(i));
  } else if (!value.is_none()) {
    kind = Kind::kMap;
    planish_value* part = nullptr;
    detail::check(planish_map_keys(value.handle(), &part));
    parts.emplace_back(Value(part));
    detail::check(planish_map_values(value.handle(), &part));
    parts.emplace_back(Value(part));
  }
}

std::string kind_text(const Answer& answer) {
  switch (answer.kind) {
    case Answer::Kind::kTensor:
      return std::string(dtype_name(answer.tensor.dtype())) + " " + dims_text(answer.tensor.dims());
    case Answer::Kind::kSequence: return "sequence of " + std::to_string(answer.parts.size());
    case Answer::Kind::kMap:
      return "map of " + std::to_string(element_count(answer.parts[0].tensor));
    case Answer::Kind::kNone: break;
  }
  return "none";
}

std::string Difference::text() const {
  if (!reason.empty()) return reason;
  return "largest at element " + std::to_string(worst) + ": " + ours + ", expected " + theirs;
}

void put_difference(const Difference& difference, Json& out) {
  if (!difference.reason.empty()) {
    out["reason"] = difference.reason;
  } else if (std::isfinite(difference.relative)) {
    out["relative"] = difference.relative;
    out["absolute"] = difference.absolute;
  } else {
    out["reason"] = difference.text();
  }
}

Difference compare(const Answer& ours, const Answer& theirs) {
  const bool is_tensor = ours.kind == Answer::Kind::kTensor;
  return compare_in(ours, theirs,
                    in_order(is_tensor ? element_count(ours.tensor) : ours.parts.size()));
}

}  // namespace planish::cli
