// SPDX-License-Identifier: Apache-2.0
#include "ops/shape_rules.h"

#include <algorithm>

#include "base/str.h"

namespace planish {

DType check_tensor(const InferContext& c, int i, DTypeTest test, std::string_view expected) {
  const Type& type = c.input(i);
  if (type.kind == Type::Kind::kUnknown) return DType::kUndefined;
  if (!type.is_tensor())
    c.fail(concat("input ", i, ": expected a tensor, got ", type.to_string()),
           ErrorCode::kInvalidType);
  if (type.dtype != DType::kUndefined && !test(type.dtype))
    c.fail(concat("input ", i, ": expected ", expected, ", got ", dtype_name(type.dtype)),
           ErrorCode::kInvalidType);
  return type.dtype;
}

DType check_same_dtype(const InferContext& c, int first, int last) {
  DType common = DType::kUndefined;
  int from = first;
  for (int i = first; i < last; ++i) {
    if (!c.has_input(i)) continue;
    const DType dtype = check_tensor(c, i);
    if (dtype == DType::kUndefined || dtype == common) continue;
    if (common != DType::kUndefined)
      c.fail(concat("input ", i, ": expected ", dtype_name(common), " as input ", from, ", got ",
                    dtype_name(dtype)),
             ErrorCode::kInvalidType);
    common = dtype;
    from = i;
  }
  return common;
}

void check_rank(const InferContext& c, int i, int rank) {
  if (c.has_rank(i) && c.rank(i) != rank)
    c.fail(concat("input ", i, ": expected rank ", rank, ", got ", c.input(i).to_string()));
}

void check_min_rank(const InferContext& c, int i, int rank) {
  if (c.has_rank(i) && c.rank(i) < rank)
    c.fail(concat("input ", i, ": expected rank ", rank, " or more, got ", c.input(i).to_string()));
}

void check_single(const InferContext& c, int i) {
  if (!c.has_rank(i)) return;
  for (const Dim& dim : c.shape(i))
    if (Dim::differs(dim, Dim(1)))
      c.fail(concat("input ", i, ": expected one element, got ", c.input(i).to_string()));
}

Dim check_equal(const InferContext& c, const Dim& a, const Dim& b, std::string_view what) {
  if (Dim::differs(a, b))
    c.fail(concat(what, ": ", a.to_string(), " and ", b.to_string(), " differ"));
  return b.is_constant() ? b : a;
}

Dim check_size(const InferContext& c, const Dim& dim, std::string_view what) {
  if (dim.range().max < 0) c.fail(concat(what, " is negative: ", dim.to_string()));
  return dim;
}

bool flag(const Attributes& attributes, std::string_view name, bool fallback) {
  return attributes.integer(name, fallback ? 1 : 0) != 0;
}

DType dtype_attribute(const InferContext& c, std::string_view name, DType fallback) {
  const int64_t number = c.attributes().integer(name, static_cast<int64_t>(fallback));
  if (number < 0 || number > INT32_MAX || !is_valid_dtype(static_cast<int>(number)))
    c.fail(concat("attribute \"", name, "\": ", number, " is not the number of a data type"),
           ErrorCode::kInvalidModel);
  return static_cast<DType>(number);
}

Shape fresh_shape(InferContext& c, size_t rank) {
  Shape shape;
  shape.reserve(rank);
  for (size_t i = 0; i < rank; ++i) shape.push_back(c.fresh_dim());
  return shape;
}

std::optional<int64_t> known_length(const InferContext& c, int i) {
  if (!c.has_rank(i)) return std::nullopt;
  return product(c.shape(i)).constant();
}

void pass_contents(InferContext& c, int from, int to) {
  if (auto known = c.contents(from)) c.set_contents(to, std::move(*known));
}

namespace {

template <class Context>
std::vector<int> normalized(const Context& c, const std::vector<int64_t>& axes, int rank) {
  std::vector<int> out;
  std::vector<bool> seen(static_cast<size_t>(rank), false);
  for (int64_t axis : axes) {
    const int a = c.normalize_axis(axis, rank);
    if (seen[static_cast<size_t>(a)]) c.fail(concat("axis ", axis, " is given twice"));
    seen[static_cast<size_t>(a)] = true;
    out.push_back(a);
  }
  return out;
}

}  // namespace

std::vector<int> normalize_axes(const InferContext& c, const std::vector<int64_t>& axes, int rank) {
  return normalized(c, axes, rank);
}
std::vector<int> normalize_axes(const KernelContext& c, const std::vector<int64_t>& axes,
                                int rank) {
  return normalized(c, axes, rank);
}

Dim broadcast_dim(const InferContext& c, const Dim& a, const Dim& b) {
  if (a == b) return a;
  const auto x = a.constant(), y = b.constant();
  if (x == 1) return b;
  if (y == 1) return a;
  if (x && y) c.fail(concat("dimensions ", *x, " and ", *y, " do not broadcast"));
  if (x) {
    if (Dim::differs(b, Dim(1)) && Dim::differs(a, b))
      c.fail(concat("dimensions ", *x, " and ", b.to_string(), " do not broadcast"));
    return a;
  }
  if (y) return broadcast_dim(c, b, a);
  return Dim::max(a, b);
}

Shape broadcast_shapes(const InferContext& c, const Shape& a, const Shape& b) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape out = longer;
  const size_t skip = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i)
    out[skip + i] = broadcast_dim(c, longer[skip + i], shorter[i]);
  return out;
}

std::optional<Shape> broadcast_inputs(const InferContext& c, int first, int last) {
  std::optional<Shape> out;
  for (int i = first; i < last; ++i) {
    if (!c.has_input(i)) continue;
    if (!c.has_rank(i)) return std::nullopt;
    out = out ? broadcast_shapes(c, *out, c.shape(i)) : c.shape(i);
  }
  return out;
}

void set_tensor(InferContext& c, int i, DType dtype, std::optional<Shape> shape) {
  Type type = Type::tensor(dtype);
  type.shape = std::move(shape);
  c.set_output(i, std::move(type));
}

void set_like(InferContext& c, int i, int from) { c.set_output(i, c.input(from)); }

}  // namespace planish
