// SPDX-License-Identifier: Apache-2.0
// TopK: the k largest or smallest elements along an axis, in order, and where they lie. Of equal
// elements the first comes first; NaN is the largest.
#include <algorithm>
#include <numeric>

#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_top_k(InferContext& c) {
  const DType dtype = check_tensor(c, 0, is_number, "numbers");
  check_tensor(c, 1, is_i64, "int64");
  check_single(c, 1);
  check_min_rank(c, 0, 1);
  std::optional<Shape> out;
  if (c.has_rank(0)) {
    out = c.shape(0);
    Dim& size = (*out)[static_cast<size_t>(
        c.normalize_axis(c.attributes().integer("axis", -1), c.rank(0)))];
    const auto known = c.contents(1);
    const Dim k = known && known->size() == 1 && (*known)[0] ? *(*known)[0] : c.fresh_dim();
    if (k.range().max < 0 || (k - size).range().min > 0)
      c.fail(concat("k is ", k.to_string(), ", the axis has ", size.to_string(), " elements"),
             ErrorCode::kInvalidValue);
    size = k;
  }
  set_tensor(c, 0, dtype, out);
  set_tensor(c, 1, DType::kI64, std::move(out));
}

template <class T>
bool comes_before(T a, T b, bool largest) {
  if (largest) std::swap(a, b);
  return a < b || (a == a && b != b);
}

template <class T>
void choose(KernelContext& c, int axis, int64_t k) {
  const Tensor& in = c.input(0);
  const bool largest = flag(c.attributes(), "largest", true);
  const int64_t size = in.dim(axis), inner = inner_count(in.dims(), axis),
                outer = outer_count(in.dims(), axis);
  std::vector<T> line(static_cast<size_t>(size));
  std::vector<int64_t> order(static_cast<size_t>(size));
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < inner; ++i) {
      if (inner == 1) {
        load<T>(in, o * size, size, line.data());
      } else {
        for (int64_t n = 0; n < size; ++n)
          load<T>(in, (o * size + n) * inner + i, 1, &line[static_cast<size_t>(n)]);
      }
      std::iota(order.begin(), order.end(), 0);
      std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int64_t a, int64_t b) {
        const T x = line[static_cast<size_t>(a)], y = line[static_cast<size_t>(b)];
        if (comes_before(x, y, largest)) return true;
        return !comes_before(y, x, largest) && a < b;
      });
      for (int64_t n = 0; n < k; ++n) {
        const int64_t at = order[static_cast<size_t>(n)], to = (o * k + n) * inner + i;
        if (c.wants_output(0)) store<T>(c.output(0), to, 1, &line[static_cast<size_t>(at)]);
        if (c.wants_output(1)) c.output(1).as<int64_t>()[to] = at;
      }
    }
  }
}

void run_top_k(KernelContext& c) {
  const Tensor& in = c.input(0);
  const int axis = c.normalize_axis(c.attributes().integer("axis", -1), in.rank());
  const int64_t k = element<int64_t>(c.input(1), 0);
  if (k < 0 || k > in.dim(axis))
    c.fail(concat("k is ", k, ", axis ", axis, " has ", in.dim(axis), " elements"));
  Dims dims = in.dims();
  dims[static_cast<size_t>(axis)] = k;
  for (int i = 0; i < 2; ++i)
    if (c.wants_output(i)) require_dims(c, c.output(i), dims);
  with_real_type(in.dtype(), [&]<class T>(T) { choose<T>(c, axis, k); });
}

const RegisterOp kTopK({.name = "TopK",
                        .attributes = {optional("axis", AttrKind::kInt),
                                       optional("largest", AttrKind::kInt),
                                       optional("sorted", AttrKind::kInt)},
                        .inputs = {2, 2},
                        .outputs = {1, 2},
                        .infer = infer_top_k,
                        .run = run_top_k,
                        .source = "https://onnx.ai/onnx/operators/onnx__TopK.html"});

}  // namespace
}  // namespace planish
