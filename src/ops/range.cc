// SPDX-License-Identifier: Apache-2.0
// Range: start, start + delta, ... up to limit (exclusive).
#include <algorithm>
#include <cmath>

#include "base/str.h"
#include "ops/computing.h"
#include "ops/contents.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

bool is_range_dtype(DType t) { return is_number(t) && dtype_bits(t) >= 16 && t != DType::kU16; }

// Number of elements; -1 if delta is 0 or the number is no number of elements.
int64_t range_count(const Tensor& start, const Tensor& limit, const Tensor& delta) {
  if (!is_float(start.dtype())) {
    const auto from = static_cast<__int128>(element<int64_t>(start, 0));
    const auto to = static_cast<__int128>(element<int64_t>(limit, 0));
    const auto by = static_cast<__int128>(element<int64_t>(delta, 0));
    if (by == 0) return -1;
    const __int128 span = by > 0 ? to - from : from - to, step = by > 0 ? by : -by;
    const __int128 count = span <= 0 ? 0 : (span + step - 1) / step;
    return count > INT64_MAX ? -1 : static_cast<int64_t>(count);
  }
  const double from = element<double>(start, 0), to = element<double>(limit, 0);
  const double count = std::ceil((to - from) / element<double>(delta, 0));
  if (!(count < 9e18)) return -1;
  return static_cast<int64_t>(std::max(count, 0.0));
}

// The single element of integer input i as shape arithmetic knows it.
std::optional<Dim> known_bound(const InferContext& c, int i) {
  const auto known = c.contents(i);
  return known && known->size() == 1 ? (*known)[0] : std::nullopt;
}

// The length over shape arithmetic, for integers.
Dim symbolic_count(InferContext& c) {
  const auto start = known_bound(c, 0), limit = known_bound(c, 1), delta = known_bound(c, 2);
  const auto by = delta ? delta->constant() : std::nullopt;
  if (!start || !limit || !by || *by == INT64_MIN) return c.fresh_dim();
  if (*by == 0) c.fail("delta is 0", ErrorCode::kInvalidValue);
  const auto count = without_overflow([&] {
    const Dim span = *by > 0 ? *limit - *start : *start - *limit;
    return Dim::max(0, span.ceil_div(std::abs(*by)));
  });
  return count ? *count : c.fresh_dim();
}

// The elements of a short range of integers.
void range_contents(InferContext& c, const Dim& count) {
  const auto start = known_bound(c, 0), delta = known_bound(c, 2);
  if (!start || !delta || !count.is_constant() || count.value() > 1024) return;
  Contents out;
  for (int64_t i = 0; i < count.value(); ++i)
    out.push_back(without_overflow([&] { return *start + Dim(i) * *delta; }));
  c.set_contents(0, std::move(out));
}

void infer_range(InferContext& c) {
  const DType dtype = check_same_dtype(c, 0, 3);
  if (dtype != DType::kUndefined) check_tensor(c, 0, is_range_dtype, "numbers of 16 bits or more");
  for (int i = 0; i < 3; ++i) check_single(c, i);
  const Tensor *start = c.constant(0), *limit = c.constant(1), *delta = c.constant(2);
  Dim count;
  if (start != nullptr && limit != nullptr && delta != nullptr) {
    const int64_t length = range_count(*start, *limit, *delta);
    if (length < 0) c.fail("delta is 0 or the length is not finite", ErrorCode::kInvalidValue);
    count = length;
  } else {
    count = symbolic_count(c);
  }
  range_contents(c, count);
  set_tensor(c, 0, dtype, Shape{count});
}

template <class T>
void fill_range(KernelContext& c, Tensor& out) {
  const T start = element<T>(c.input(0), 0), delta = element<T>(c.input(2), 0);
  for (int64_t i = 0; i < out.count(); ++i) {
    T value;
    // Unsigned, so that the unused product beyond the last element may wrap.
    if constexpr (std::is_same_v<T, int64_t>)
      value = static_cast<int64_t>(static_cast<uint64_t>(start) +
                                   static_cast<uint64_t>(i) * static_cast<uint64_t>(delta));
    else
      value = start + static_cast<T>(i) * delta;
    store<T>(out, i, 1, &value);
  }
}

void run_range(KernelContext& c) {
  Tensor& out = c.output(0);
  require_dims(c, out, {range_count(c.input(0), c.input(1), c.input(2))});
  if (out.dtype() == DType::kF64) return fill_range<double>(c, out);
  return is_float(out.dtype()) ? fill_range<float>(c, out) : fill_range<int64_t>(c, out);
}

const RegisterOp kRange({.name = "Range",
                         .attributes = {optional("stash_type", AttrKind::kInt)},
                         .inputs = {3, 3},
                         .infer = infer_range,
                         .run = run_range,
                         .source = "https://onnx.ai/onnx/operators/onnx__Range.html"});

}  // namespace
}  // namespace planish
