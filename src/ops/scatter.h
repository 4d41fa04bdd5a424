// SPDX-License-Identifier: Apache-2.0
// How ScatterElements and ScatterND combine an update with what is there.
#pragma once

#include <algorithm>
#include <complex>
#include <string>

#include "ops/computing.h"
#include "ops/op.h"
#include "ops/strides.h"

namespace planish {

enum class Combine { kNone, kAdd, kMul, kMax, kMin };

template <class Context>
Combine combine_attribute(const Context& c) {
  const std::string name = c.attributes().text("reduction", "none");
  if (name == "none") return Combine::kNone;
  if (name == "add") return Combine::kAdd;
  if (name == "mul") return Combine::kMul;
  if (name == "max") return Combine::kMax;
  if (name == "min") return Combine::kMin;
  c.fail(concat("reduction: expected none, add, mul, max or min, got \"", name, "\""),
         ErrorCode::kInvalidModel);
}

// NaN wins, as in numpy. Integers wrap.
template <class T>
T combined(Combine how, T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    const auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
    if (how == Combine::kAdd) return static_cast<T>(x + y);
    if (how == Combine::kMul) return static_cast<T>(x * y);
  } else {
    if (how == Combine::kAdd) return a + b;
    if (how == Combine::kMul) return a * b;
  }
  if constexpr (!std::is_same_v<T, std::complex<double>>) {
    if (how == Combine::kMax) return a != a || a > b ? a : b;
    if (how == Combine::kMin) return a != a || a < b ? a : b;
  }
  return b;
}

// Strings cannot be combined, complex numbers have no order.
inline void check_combine(const InferContext& c, DType dtype) {
  const Combine how = combine_attribute(c);
  const bool ordered = how == Combine::kMax || how == Combine::kMin;
  if ((how != Combine::kNone && dtype == DType::kString) || (ordered && is_complex(dtype)))
    c.fail(concat("reduction ", c.attributes().text("reduction"), " is not defined for ",
                  dtype_name(dtype)),
           ErrorCode::kInvalidType);
}

// Calls place(i) for each of `count` runs of `run` updates in order and combines update run i into
// `out` from that place on.
template <class Place>
void scatter_runs(Tensor& out, const Tensor& updates, Combine how, int64_t count, int64_t run,
                  Place&& place) {
  if (how == Combine::kNone) {
    const Tensor from = spread(updates);
    for (int64_t i = 0; i < count; ++i) copy_run(out, place(i), from, i * run, run);
    return;
  }
  with_exact_type(updates.dtype(), [&]<class T>(T) {
    const std::vector<T> from = load<T>(updates);
    std::vector<T> row(static_cast<size_t>(run));
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = place(i);
      load<T>(out, at, run, row.data());
      for (int64_t k = 0; k < run; ++k)
        row[static_cast<size_t>(k)] =
            combined<T>(how, row[static_cast<size_t>(k)], from[static_cast<size_t>(i * run + k)]);
      store<T>(out, at, run, row.data());
    }
  });
}

// scatter_runs into output `out`, which starts as a copy of `data`. Packed types combine in place;
// plain replacement moves spread bytes.
template <class Place>
void scatter(Tensor& result, const Tensor& data, const Tensor& updates, Combine how, int64_t count,
             int64_t run, Place&& place) {
  if (how != Combine::kNone) {
    copy_all(result, data);
    scatter_runs(result, updates, how, count, run, place);
    return;
  }
  fill_spread(result, [&](Tensor& out) {
    copy_all(out, spread(data));
    scatter_runs(out, updates, how, count, run, place);
  });
}

}  // namespace planish
