// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/softmax.h"

#include "backend/cpu/kernels/reduce_lanes.h"

namespace planish::cpu::PLANISH_ISA {

namespace {

// The largest element need not see NaN: the sum of exponentials will.
PLANISH_INLINE Vec larger(Vec a, Vec b) { return max_keep2(b, a); }

template <class F>
PLANISH_INLINE void map_run(const float* x, float* y, int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) f(Vec::load(x + i)).store(y + i);
  if (i < n) {
    const int part = static_cast<int>(n - i);
    f(Vec::load_part(x + i, part)).store_part(y + i, part);
  }
}

void run(const float* x, float* y, int64_t n, bool logarithm) {
  const auto identity = [](Vec v) { return v; };
  const Vec lanes = fold_run(x, n, -kInfinity, identity, [](Vec a, Vec b) { return larger(a, b); });
  const Vec largest =
      Vec::broadcast(fold_lanes(lanes, [](float a, float b) { return a > b ? a : b; }));
  if (logarithm) {
    const double total = sum_run(x, n, [largest](Vec v) { return exp(v - largest); });
    const Vec shift = log(Vec::broadcast(static_cast<float>(total)));
    map_run(x, y, n, [largest, shift](Vec v) { return v - largest - shift; });
    return;
  }
  Vec a = zero(), b = zero();
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const Vec e = exp(Vec::load(x + i) - largest);
    const Vec f = exp(Vec::load(x + i + kLanes) - largest);
    e.store(y + i);
    f.store(y + i + kLanes);
    a = a + e;
    b = b + f;
  }
  for (; i < n; i += kLanes) {
    const int64_t left = n - i;
    const Vec e = exp(load_up_to(x + i, left) - largest);
    store_up_to(e, y + i, left);
    a = a + (left >= kLanes ? e : select(first_lanes(left), e, zero()));
  }
  const Vec scale = Vec::broadcast(1.0f / sum(a + b));
  map_run(y, y, n, [scale](Vec v) { return v * scale; });
}

template <int count>
PLANISH_INLINE void column_block(const float* x, float* y, int64_t n, int64_t stride, int part,
                                 bool logarithm) {
  const auto read = [part](const float* p, int i) __attribute__((always_inline)) {
    return i + 1 == count ? load_up_to(p + i * kLanes, part) : Vec::load(p + i * kLanes);
  };
  const auto write = [part](Vec v, float* p, int i) __attribute__((always_inline)) {
    if (i + 1 == count) {
      store_up_to(v, p + i * kLanes, part);
    } else {
      v.store(p + i * kLanes);
    }
  };
  Vec largest[count], total[count];
  for (int i = 0; i < count; ++i) {
    largest[i] = Vec::broadcast(-kInfinity);
    total[i] = zero();
  }
  for (int64_t r = 0; r < n; ++r) {
    for (int i = 0; i < count; ++i) largest[i] = larger(largest[i], read(x + r * stride, i));
  }
  for (int64_t r = 0; r < n; ++r) {
    for (int i = 0; i < count; ++i) {
      const Vec e = exp(read(x + r * stride, i) - largest[i]);
      total[i] = total[i] + e;
      if (!logarithm) write(e, y + r * stride, i);
    }
  }
  Vec finish[count];
  for (int i = 0; i < count; ++i) {
    finish[i] = logarithm ? log(total[i]) : Vec::broadcast(1.0f) / total[i];
  }
  for (int64_t r = 0; r < n; ++r) {
    for (int i = 0; i < count; ++i) {
      const Vec v = logarithm ? read(x + r * stride, i) - largest[i] - finish[i]
                              : read(y + r * stride, i) * finish[i];
      write(v, y + r * stride, i);
    }
  }
}

void columns(const float* x, float* y, int64_t n, int64_t stride, int64_t cols, bool logarithm) {
  int64_t c = 0;
  for (; c + 2 * kLanes <= cols; c += 2 * kLanes) {
    column_block<2>(x + c, y + c, n, stride, kLanes, logarithm);
  }
  for (; c < cols; c += kLanes) {
    const int part = static_cast<int>(least<int64_t>(kLanes, cols - c));
    column_block<1>(x + c, y + c, n, stride, part, logarithm);
  }
}

}  // namespace

extern const SoftmaxTable kSoftmax;
constinit const SoftmaxTable kSoftmax = {run, columns};

}  // namespace planish::cpu::PLANISH_ISA
