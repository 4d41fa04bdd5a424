// SPDX-License-Identifier: Apache-2.0
// CumSum, CumProd: running sums and products along an axis.
#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_cumulative(InferContext& c) {
  check_tensor(c, 0, is_number, "numbers");
  check_tensor(c, 1, is_index_dtype, "int32 or int64");
  check_single(c, 1);
  if (c.has_rank(0)) {
    check_min_rank(c, 0, 1);
    if (const auto axis = c.integers(1); axis && axis->size() == 1)
      c.normalize_axis((*axis)[0], c.rank(0));
  }
  set_like(c, 0, 0);
}

template <class T>
T accumulated(T a, T b, bool is_product) {
  if constexpr (std::is_integral_v<T>) {
    const auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
    return static_cast<T>(is_product ? x * y : x + y);
  } else {
    return is_product ? a * b : a + b;
  }
}

template <class T>
void accumulate(KernelContext& c, int axis, bool is_product) {
  const bool exclusive = flag(c.attributes(), "exclusive", false),
             reverse = flag(c.attributes(), "reverse", false);
  const Tensor& in = c.input(0);
  const int64_t size = in.dim(axis), inner = inner_count(in.dims(), axis),
                outer = outer_count(in.dims(), axis);
  std::vector<T> total(static_cast<size_t>(inner)), row(total.size());
  for (int64_t o = 0; o < outer; ++o) {
    std::fill(total.begin(), total.end(), T(is_product ? 1 : 0));
    for (int64_t n = 0; n < size; ++n) {
      const int64_t at = (o * size + (reverse ? size - 1 - n : n)) * inner;
      load<T>(in, at, inner, row.data());
      if (exclusive) store<T>(c.output(0), at, inner, total.data());
      for (size_t i = 0; i < row.size(); ++i) total[i] = accumulated(total[i], row[i], is_product);
      if (!exclusive) store<T>(c.output(0), at, inner, total.data());
    }
  }
}

void cumulative(KernelContext& c, bool is_product) {
  const Tensor& in = c.input(0);
  const int axis = c.normalize_axis(element<int64_t>(c.input(1), 0), in.rank());
  with_real_type(in.dtype(), [&]<class T>(T) { accumulate<T>(c, axis, is_product); });
}

void run_cum_sum(KernelContext& c) { cumulative(c, false); }
void run_cum_prod(KernelContext& c) { cumulative(c, true); }

const RegisterOp kCumSum({.name = "CumSum",
                          .attributes = {optional("exclusive", AttrKind::kInt),
                                         optional("reverse", AttrKind::kInt)},
                          .inputs = {2, 2},
                          .infer = infer_cumulative,
                          .run = run_cum_sum,
                          .tolerance = {1e-5},
                          .source = "https://onnx.ai/onnx/operators/onnx__CumSum.html"});
const RegisterOp kCumProd({.name = "CumProd",
                           .attributes = {optional("exclusive", AttrKind::kInt),
                                          optional("reverse", AttrKind::kInt)},
                           .inputs = {2, 2},
                           .infer = infer_cumulative,
                           .run = run_cum_prod,
                           .tolerance = {1e-5},
                           .source = "https://onnx.ai/onnx/operators/onnx__CumProd.html"});

}  // namespace
}  // namespace planish
