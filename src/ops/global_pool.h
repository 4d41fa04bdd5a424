// SPDX-License-Identifier: Apache-2.0
// Pooling over all spatial axes at once, and the Lp norm that two pools use.
#pragma once

#include <cmath>
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/elements_of.h"
#include "ops/op.h"

namespace planish {

// [N, C, spatial...] -> [N, C, 1...]
inline void infer_global_pool(InferContext& c) {
  const DType dtype = check_float(c, 0);
  check_min_rank(c, 0, 2);
  if (!c.has_rank(0)) return c.set_output(0, Type::tensor(dtype));
  Shape out = c.shape(0);
  for (size_t i = 2; i < out.size(); ++i) out[i] = 1;
  c.set_output(0, Type::tensor(dtype, std::move(out)));
}

// y[n][c] = reduce(first element, number of elements)
template <class F>
void run_global_pool(KernelContext& c, F&& reduce) {
  Tensor& y = c.output(0);
  const int64_t images = y.count();
  const int64_t size = images == 0 ? 0 : c.input(0).count() / images;
  std::vector<double> out(static_cast<size_t>(images));
  with_float(c.input(0).dtype(), [&](auto t) {
    const ElementsOf<decltype(t)> x(c.input(0));
    for (int64_t i = 0; i < images; ++i)
      out[static_cast<size_t>(i)] = reduce(x.data() + i * size, size);
  });
  store(y, out);
}

// Attribute p, at least 1.
template <class Context>
double lp_order(const Context& c) {
  const int64_t p = c.attributes().integer("p", 2);
  if (p < 1) c.fail(concat("p: expected at least 1, got ", p), ErrorCode::kInvalidModel);
  return static_cast<double>(p);
}

class LpNorm {
 public:
  explicit LpNorm(double p) : p_(p) {}
  void add(double v) {
    sum_ += p_ == 2 ? v * v : p_ == 1 ? std::fabs(v) : std::pow(std::fabs(v), p_);
  }
  double value() const {
    return p_ == 2 ? std::sqrt(sum_) : p_ == 1 ? sum_ : std::pow(sum_, 1 / p_);
  }

 private:
  double p_;
  double sum_ = 0;
};

}  // namespace planish
