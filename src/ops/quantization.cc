// SPDX-License-Identifier: Apache-2.0
#include "ops/quantization.h"

#include <algorithm>

#include "base/str.h"
#include "ops/broadcast_index.h"
#include "ops/checks.h"
#include "ops/strides.h"
#include "tensor/float_formats.h"

namespace planish {

double round_to(DType type, double v) {
  if (type == DType::kF32) return static_cast<float>(v);
  if (type != DType::kF16 && type != DType::kBF16) return v;
  const FloatFormat& format = float_format(type);
  return decode_float(format, encode_float(format, v, false));
}

Quantizer::Quantizer(DType type, bool saturates) : type_(type), saturates_(saturates) {}

void Quantizer::store(Tensor& out, int64_t first, const std::vector<double>& values) const {
  std::vector<double> rounded(values);
  if (is_integer(type_)) {
    const IntegerLimits limits = integer_limits(type_);
    for (double& v : rounded) v = saturate(v, limits);
  } else if (saturates_) {
    // Storing what the code stands for is exact.
    const FloatFormat& format = float_format(type_);
    for (double& v : rounded) v = decode_float(format, encode_float(format, v, true));
  }
  planish::store<double>(out, first, static_cast<int64_t>(rounded.size()), rounded.data());
}

ScaleIndex::ScaleIndex(const KernelContext& c, const Dims& x, const Dims& scale) {
  const int64_t block = c.attributes().integer("block_size", 0);
  if (element_count(scale) == 1) {
    size_ = 1;
    inner_ = element_count(x);
    return;
  }
  const int axis = c.normalize_axis(c.attributes().integer("axis", 1), static_cast<int>(x.size()));
  is_single_ = false;
  outer_ = outer_count(x, axis);
  inner_ = inner_count(x, axis);
  size_ = x[static_cast<size_t>(axis)];
  if (block > 0) {
    is_blocked_ = true;
    block_ = block;
    blocks_ = scale[static_cast<size_t>(axis)];
  }
}

void check_scales(const InferContext& c, int s, int z) {
  const int64_t block = c.attributes().integer("block_size", 0);
  if (block < 0)
    c.fail(concat("block_size: expected 0 or more, got ", block), ErrorCode::kInvalidModel);
  if (c.has_rank(s) && c.has_rank(z) &&
      (Dim::differs(product(c.shape(s)), 1) || Dim::differs(product(c.shape(z)), 1)))
    check_shape(c, z, c.shape(s));
  if (!c.has_rank(0) || !c.has_rank(s)) return;
  const Shape &x = c.shape(0), &scale = c.shape(s);
  if (product(scale) == Dim(1)) return;
  const int axis = c.normalize_axis(c.attributes().integer("axis", 1), c.rank(0));
  const auto at = static_cast<size_t>(axis);
  if (block == 0) {
    if (scale.size() != 1 || Dim::differs(scale[0], x[at]))
      c.fail(concat("scale: expected a scalar or ", x[at].to_string(), " values for axis ", axis,
                    ", got ", to_string(scale)));
    return;
  }
  Shape expected = x;
  expected[at] = x[at].ceil_div(block);
  check_shape(c, s, expected);
}

void check_scalar_or_vector(const InferContext& c, int i, const Dim& size) {
  if (!c.has_rank(i) || c.rank(i) == 0) return;
  const Shape& own = c.shape(i);
  if (own.size() > 1 || (Dim::differs(own[0], Dim(1)) && Dim::differs(own[0], size)))
    c.fail(concat("input ", i, ": expected a scalar or a vector of ", size.to_string(), ", got ",
                  to_string(own)));
}

std::vector<float> load_shifted(const Tensor& x, const Tensor* zero, int vector_axis) {
  std::vector<float> out = load<float>(x);
  if (zero == nullptr) return out;
  const std::vector<float> shift = load<float>(*zero);
  if (shift.size() == 1) {
    for (float& v : out) v -= shift[0];
    return out;
  }
  Dims dims = zero->dims();
  if (dims.size() == 1) dims.resize(static_cast<size_t>(x.rank() - vector_axis), 1);
  const std::vector<int64_t> at = broadcast_indices(dims, x.dims());
  for (size_t i = 0; i < out.size(); ++i) out[i] -= shift[static_cast<size_t>(at[i])];
  return out;
}

}  // namespace planish
