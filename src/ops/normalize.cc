// SPDX-License-Identifier: Apache-2.0
#include "ops/normalize.h"

#include <algorithm>

#include "base/str.h"
#include "ops/broadcast_index.h"
#include "ops/checks.h"
#include "tensor/elements.h"

namespace planish {

DType stash_dtype(const InferContext& c) {
  const DType type = dtype_attribute(c, "stash_type", DType::kF32);
  if (!is_real_float(type))
    c.fail(concat("stash_type: expected a float type, got ", dtype_name(type)),
           ErrorCode::kInvalidModel);
  return type;
}

void check_stretches(const InferContext& c, int i, const Shape& shape) {
  if (!c.has_rank(i)) return;
  const Shape& own = c.shape(i);
  bool fits = own.size() <= shape.size();
  for (size_t k = 1; fits && k <= own.size(); ++k) {
    const Dim& dim = own[own.size() - k];
    fits = !Dim::differs(dim, Dim(1)) || !Dim::differs(dim, shape[shape.size() - k]);
  }
  if (!fits)
    c.fail(concat("input ", i, ": expected a shape that broadcasts to ", to_string(shape), ", got ",
                  to_string(own)));
}

int64_t trailing_count(const Dims& dims, int axis) {
  return element_count(std::span(dims).subspan(static_cast<size_t>(axis)));
}

namespace {

template <class F>
void for_each_broadcast(std::vector<double>& x, const Tensor& other, const Dims& dims, F&& f) {
  const std::vector<double> values = load<double>(other);
  if (x.empty()) return;
  const Dims& own = other.dims();
  // Usual: the tensor repeats as it is.
  if (std::equal(own.begin(), own.end(), dims.end() - static_cast<std::ptrdiff_t>(own.size()))) {
    for (size_t i = 0; i < x.size(); i += values.size())
      for (size_t j = 0; j < values.size(); ++j) f(x[i + j], values[j]);
    return;
  }
  const std::vector<int64_t> at = broadcast_indices(own, dims);
  for (size_t i = 0; i < x.size(); ++i) f(x[i], values[static_cast<size_t>(at[i])]);
}

}  // namespace

void multiply_broadcast(std::vector<double>& x, const Tensor& factor, const Dims& dims) {
  for_each_broadcast(x, factor, dims, [](double& v, double f) { v *= f; });
}

void add_broadcast(std::vector<double>& x, const Tensor& term, const Dims& dims) {
  for_each_broadcast(x, term, dims, [](double& v, double t) { v += t; });
}

}  // namespace planish
