// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/reduce.h"

#include "backend/cpu/kernels/reduce_lanes.h"

namespace planish::cpu::PLANISH_ISA {

namespace {

// The f32 accumulators of a column take this many rows before they are added to the total.
constexpr int64_t kRowChunk = 128;

struct PlainTerm {
  PLANISH_INLINE static Vec map(Vec x, Vec) { return x; }
};
struct SquareTerm {
  PLANISH_INLINE static Vec map(Vec x, Vec) { return x * x; }
};
struct AbsTerm {
  PLANISH_INLINE static Vec map(Vec x, Vec) { return abs(x); }
};
struct ExpTerm {
  PLANISH_INLINE static Vec map(Vec x, Vec offset) { return exp(x - offset); }
};
struct Plus {
  static constexpr float kNeutral = 0;
  PLANISH_INLINE static Vec combine(Vec a, Vec b) { return a + b; }
};
struct Times {
  static constexpr float kNeutral = 1;
  PLANISH_INLINE static Vec combine(Vec a, Vec b) { return a * b; }
  PLANISH_INLINE static float combine(float a, float b) { return a * b; }
};
struct Larger {
  static constexpr float kNeutral = -kInfinity;
  PLANISH_INLINE static Vec combine(Vec a, Vec b) { return max_nan(a, b); }
  PLANISH_INLINE static float combine(float a, float b) { return a != a || a > b ? a : b; }
};
struct Smaller {
  static constexpr float kNeutral = kInfinity;
  PLANISH_INLINE static Vec combine(Vec a, Vec b) { return min_nan(a, b); }
  PLANISH_INLINE static float combine(float a, float b) { return a != a || a < b ? a : b; }
};

template <class Term, class Op>
double run(const float* x, int64_t n, float offset) {
  const Vec shift = Vec::broadcast(offset);
  const auto map = [shift](Vec v) __attribute__((always_inline)) { return Term::map(v, shift); };
  if constexpr (std::is_same_v<Op, Plus>) {
    return sum_run(x, n, map);
  } else {
    const Vec lanes =
        fold_run(x, n, Op::kNeutral, map, [](Vec a, Vec b) { return Op::combine(a, b); });
    return fold_lanes(lanes, [](float a, float b) { return Op::combine(a, b); });
  }
}

// `count` vectors of columns at once; the last of them has `part` lanes.
template <class Term, class Op, int count>
PLANISH_INLINE void fold_columns(const float* x, int64_t row_stride, int64_t rows, int part,
                                 const float* offset, float* acc) {
  const auto read = [part](const float* p, int i) __attribute__((always_inline)) {
    return i + 1 == count ? load_up_to(p + i * kLanes, part) : Vec::load(p + i * kLanes);
  };
  Vec shift[count];
  for (int i = 0; i < count; ++i) shift[i] = offset == nullptr ? zero() : read(offset, i);
  for (int64_t first = 0; first < rows; first += kRowChunk) {
    const int64_t last = least(rows, first + kRowChunk);
    Vec total[count];
    for (int i = 0; i < count; ++i) total[i] = Vec::broadcast(Op::kNeutral);
    for (int64_t r = first; r < last; ++r) {
      const float* row = x + r * row_stride;
#pragma GCC unroll 4
      for (int i = 0; i < count; ++i) {
        total[i] = Op::combine(total[i], Term::map(read(row, i), shift[i]));
      }
    }
    for (int i = 0; i < count; ++i) {
      const Vec sum = Op::combine(read(acc, i), total[i]);
      if (i + 1 == count) {
        store_up_to(sum, acc + i * kLanes, part);
      } else {
        sum.store(acc + i * kLanes);
      }
    }
  }
}

template <class Term, class Op>
void rows(const float* x, int64_t row_stride, int64_t rows, int64_t cols, const float* offset,
          float* acc) {
  int64_t c = 0;
  const auto shifted = [&] { return offset == nullptr ? nullptr : offset + c; };
  for (; c + 4 * kLanes <= cols; c += 4 * kLanes) {
    fold_columns<Term, Op, 4>(x + c, row_stride, rows, kLanes, shifted(), acc + c);
  }
  for (; c < cols; c += kLanes) {
    const int part = static_cast<int>(least<int64_t>(kLanes, cols - c));
    fold_columns<Term, Op, 1>(x + c, row_stride, rows, part, shifted(), acc + c);
  }
}

int64_t arg_run(const float* x, int64_t n, bool smallest, bool last_of_equals) {
  const float best = static_cast<float>(smallest ? run<PlainTerm, Smaller>(x, n, 0)
                                                 : run<PlainTerm, Larger>(x, n, 0));
  if (best != best) {
    for (int64_t i = 0; i < n; ++i) {
      if (x[i] != x[i]) return i;
    }
  }
  if (last_of_equals) {
    for (int64_t i = n - 1; i >= 0; --i) {
      if (x[i] == best) return i;
    }
  }
  const Vec wanted = Vec::broadcast(best);
  int64_t i = 0;
  while (i + kLanes <= n && !any(eq(Vec::load(x + i), wanted))) i += kLanes;
  while (i < n - 1 && x[i] != best) ++i;
  return i;
}

}  // namespace

extern const ReduceTable kReduce;
constinit const ReduceTable kReduce = {
    {run<PlainTerm, Plus>, run<SquareTerm, Plus>, run<AbsTerm, Plus>, run<ExpTerm, Plus>,
     run<PlainTerm, Larger>, run<PlainTerm, Smaller>, run<PlainTerm, Times>},
    {rows<PlainTerm, Plus>, rows<SquareTerm, Plus>, rows<AbsTerm, Plus>, rows<ExpTerm, Plus>,
     rows<PlainTerm, Larger>, rows<PlainTerm, Smaller>, rows<PlainTerm, Times>},
    arg_run};

}  // namespace planish::cpu::PLANISH_ISA
