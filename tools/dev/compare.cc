// SPDX-License-Identifier: Apache-2.0
#include "compare.h"

#include <cmath>
#include <complex>
#include <cstring>
#include <vector>

#include "base/str.h"
#include "tensor/elements.h"

namespace planish::dev {
namespace {

bool is_close(double expected, double got, const Closeness& c) {
  if (std::isnan(expected) || std::isnan(got)) return std::isnan(expected) && std::isnan(got);
  if (std::isinf(expected) || std::isinf(got)) return expected == got;
  return std::abs(expected - got) <= c.absolute + c.relative * std::abs(expected);
}

bool is_close(const std::complex<double>& expected, const std::complex<double>& got,
              const Closeness& c) {
  return std::abs(expected - got) <= c.absolute + c.relative * std::abs(expected);
}

template <class T, class Same>
std::string first_difference(const Tensor& expected, const Tensor& got, Same same) {
  const std::vector<T> x = load<T>(expected), y = load<T>(got);
  size_t bad = 0, first = 0;
  for (size_t i = x.size(); i-- > 0;)
    if (!same(x[i], y[i])) {
      ++bad;
      first = i;
    }
  if (bad == 0) return {};
  return concat(bad, " of ", x.size(), " elements differ; element ", first, ": expected ", x[first],
                ", got ", y[first]);
}

std::string tensor_difference(const Tensor& expected, const Tensor& got, const Closeness& c) {
  if (expected.dtype() != got.dtype() || expected.dims() != got.dims())
    return concat("expected ", dtype_name(expected.dtype()), " ", dims_to_string(expected.dims()),
                  ", got ", dtype_name(got.dtype()), " ", dims_to_string(got.dims()));
  if (expected.dtype() == DType::kString) {
    const auto &x = expected.string_values(), &y = got.string_values();
    for (size_t i = 0; i < x.size(); ++i)
      if (x[i] != y[i])
        return concat("element ", i, ": expected \"", x[i], "\", got \"", y[i], "\"");
    return {};
  }
  auto close = [&c](const auto& a, const auto& b) { return is_close(a, b, c); };
  auto equal = [](const auto& a, const auto& b) { return a == b; };
  if (is_complex(expected.dtype()))
    return first_difference<std::complex<double>>(expected, got, close);
  if (is_float(expected.dtype())) return first_difference<double>(expected, got, close);
  if (expected.dtype() == DType::kU64) return first_difference<uint64_t>(expected, got, equal);
  return first_difference<int64_t>(expected, got, equal);
}

const char* kind_of(const Datum& d) {
  if (d.is_tensor()) return "a tensor";
  if (d.is_sequence()) return "a sequence";
  return d.empty() ? "an absent optional" : "a map";
}

}  // namespace

std::string difference(const Datum& expected, const Datum& got, const Closeness& closeness) {
  if (expected.held.index() != got.held.index())
    return concat("expected ", kind_of(expected), ", got ", kind_of(got));
  if (expected.is_tensor()) return tensor_difference(expected.tensor(), got.tensor(), closeness);
  if (expected.is_sequence()) {
    const Sequence &x = expected.items(), &y = got.items();
    if (x.size() != y.size()) return concat("expected ", x.size(), " items, got ", y.size());
    for (size_t i = 0; i < x.size(); ++i) {
      const std::string found = difference(x[i], y[i], closeness);
      if (!found.empty()) return concat("item ", i, ": ", found);
    }
    return {};
  }
  if (expected.empty()) return {};
  const auto& x = *std::get<std::shared_ptr<const MapDatum>>(expected.held);
  const auto& y = *std::get<std::shared_ptr<const MapDatum>>(got.held);
  const std::string keys = tensor_difference(x.keys, y.keys, closeness);
  return keys.empty() ? tensor_difference(x.values, y.values, closeness) : "keys: " + keys;
}

}  // namespace planish::dev
