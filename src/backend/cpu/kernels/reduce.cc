// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/reduce.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace planish::cpu {

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// Elements that one task reads at least.
constexpr int64_t kTaskElements = 16 * 1024;
// Columns that one unit of work folds.
constexpr int64_t kColumns = 256;
// Pieces into which a reduction to one element is cut for the threads.
constexpr int64_t kMaxPieces = 64;

Fold fold_of(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum:
    case ReduceOp::kMean:
    case ReduceOp::kLogSum: return Fold::kSum;
    case ReduceOp::kMax: return Fold::kMax;
    case ReduceOp::kMin: return Fold::kMin;
    case ReduceOp::kProd: return Fold::kProd;
    case ReduceOp::kSumSquare:
    case ReduceOp::kL2: return Fold::kSumSquare;
    case ReduceOp::kL1: return Fold::kSumAbs;
    case ReduceOp::kLogSumExp: return Fold::kSumExp;
  }
  return Fold::kSum;
}

double neutral(Fold fold) {
  return fold == Fold::kMax ? -kInf : fold == Fold::kMin ? kInf : fold == Fold::kProd ? 1.0 : 0.0;
}

double combine(Fold fold, double a, double b) {
  switch (fold) {
    case Fold::kMax: return std::isnan(a) || a > b ? a : b;
    case Fold::kMin: return std::isnan(a) || a < b ? a : b;
    case Fold::kProd: return a * b;
    default: return a + b;
  }
}

// `largest` is what kSumExp took away inside.
float finish(ReduceOp op, double value, int64_t count, float largest) {
  switch (op) {
    case ReduceOp::kMean: return static_cast<float>(value / static_cast<double>(count));
    case ReduceOp::kL2: return static_cast<float>(std::sqrt(value));
    case ReduceOp::kLogSum: return static_cast<float>(std::log(value));
    case ReduceOp::kLogSumExp: return static_cast<float>(std::log(value) + largest);
    default: return static_cast<float>(value);
  }
}

// The largest element as an offset for exponentials: infinities would give inf - inf.
float finite_offset(float largest) { return std::isinf(largest) ? 0.0f : largest; }

struct Dim {
  int64_t size;
  int64_t stride;
};

// Kept and reduced dims after dropping dims of 1 and merging neighbours of one kind; the innermost
// dim apart.
struct Shape {
  int kept_rank = 0;
  int reduced_rank = 0;
  Dim kept[kMaxReduceRank];
  Dim reduced[kMaxReduceRank];
  bool inner_reduced = true;
  int64_t inner = 1;
  int64_t kept_count = 1;     // without the inner dim
  int64_t reduced_count = 1;  // all of it
};

Shape analyse(const ReduceParams& params) {
  struct Merged {
    int64_t size;
    bool reduced;
  };
  Merged merged[kMaxReduceRank];
  int rank = 0;
  for (int d = 0; d < params.rank; ++d) {
    if (params.dims[d] == 1) continue;
    if (rank > 0 && merged[rank - 1].reduced == params.reduced[d]) {
      merged[rank - 1].size *= params.dims[d];
    } else {
      merged[rank++] = {params.dims[d], params.reduced[d]};
    }
  }
  Shape shape;
  if (rank == 0) return shape;
  shape.inner = merged[rank - 1].size;
  shape.inner_reduced = merged[rank - 1].reduced;
  int64_t strides[kMaxReduceRank];
  int64_t stride = 1;
  for (int d = rank - 1; d >= 0; --d) {
    strides[d] = stride;
    stride *= merged[d].size;
    if (merged[d].reduced) shape.reduced_count *= merged[d].size;
  }
  for (int d = 0; d < rank - 1; ++d) {
    if (merged[d].reduced) {
      shape.reduced[shape.reduced_rank++] = {merged[d].size, strides[d]};
    } else {
      shape.kept[shape.kept_rank++] = {merged[d].size, strides[d]};
      shape.kept_count *= merged[d].size;
    }
  }
  return shape;
}

int64_t offset_at(const Dim* dims, int rank, int64_t index) {
  int64_t offset = 0;
  for (int d = rank - 1; d >= 0; --d) {
    offset += index % dims[d].size * dims[d].stride;
    index /= dims[d].size;
  }
  return offset;
}

// Calls f(offset) for every index below dims.
template <class F>
void for_each_offset(const Dim* dims, int rank, F&& f) {
  int64_t count = 1;
  for (int d = 0; d < rank; ++d) count *= dims[d].size;
  int64_t at[kMaxReduceRank] = {};
  int64_t offset = 0;
  for (int64_t i = 0; i < count; ++i) {
    f(offset);
    for (int d = rank - 1; d >= 0; --d) {
      offset += dims[d].stride;
      if (++at[d] < dims[d].size) break;
      offset -= dims[d].size * dims[d].stride;
      at[d] = 0;
    }
  }
}

class Reduction {
 public:
  Reduction(const ReduceParams& params, const Shape& shape)
      : params_(params),
        shape_(shape),
        table_(reduce_table(params.isa)),
        fold_(fold_of(params.op)) {}

  void run(ThreadPool& pool) const {
    if (shape_.inner_reduced && shape_.kept_count == 1 && shape_.reduced_rank == 0) {
      return run_to_one(pool);
    }
    const int64_t columns = shape_.inner_reduced ? 1 : (shape_.inner + kColumns - 1) / kColumns;
    const int64_t units = shape_.kept_count * columns;
    const int64_t elements =
        shape_.kept_count * shape_.reduced_count * (shape_.inner_reduced ? 1 : shape_.inner);
    const int64_t tasks = std::clamp<int64_t>(elements / kTaskElements, 1,
                                              std::min<int64_t>(units, 4 * pool.threads()));
    pool.parallel_for(tasks, [&](int64_t task) {
      for (int64_t unit = units * task / tasks; unit < units * (task + 1) / tasks; ++unit) {
        if (shape_.inner_reduced) {
          reduce_run(unit);
        } else {
          reduce_columns(unit / columns, unit % columns * kColumns);
        }
      }
    });
  }

 private:
  double fold_all(Fold fold, const float* x, float offset) const {
    double value = neutral(fold);
    for_each_offset(shape_.reduced, shape_.reduced_rank, [&](int64_t at) {
      const double part = table_.run[static_cast<int>(fold)](x + at, shape_.inner, offset);
      value = combine(fold, value, part);
    });
    return value;
  }

  void reduce_run(int64_t unit) const {
    const float* x = params_.src + offset_at(shape_.kept, shape_.kept_rank, unit);
    float largest = 0;
    if (fold_ == Fold::kSumExp) {
      largest = finite_offset(static_cast<float>(fold_all(Fold::kMax, x, 0)));
    }
    params_.dst[unit] =
        finish(params_.op, fold_all(fold_, x, largest), shape_.reduced_count, largest);
  }

  void fold_columns(Fold fold, const float* x, int64_t cols, const float* offset,
                    float* acc) const {
    std::fill_n(acc, cols, static_cast<float>(neutral(fold)));
    // The innermost reduced dim is walked inside the kernel.
    const int last = shape_.reduced_rank - 1;
    for_each_offset(shape_.reduced, last, [&](int64_t at) {
      table_.rows[static_cast<int>(fold)](x + at, shape_.reduced[last].stride,
                                          shape_.reduced[last].size, cols, offset, acc);
    });
  }

  void reduce_columns(int64_t kept, int64_t first) const {
    const int64_t cols = std::min(kColumns, shape_.inner - first);
    const float* x = params_.src + offset_at(shape_.kept, shape_.kept_rank, kept) + first;
    float* dst = params_.dst + kept * shape_.inner + first;
    if (shape_.reduced_rank == 0) {
      for (int64_t c = 0; c < cols; ++c) finish_one(x[c], dst + c);
      return;
    }
    alignas(64) float largest[kColumns] = {};
    alignas(64) float acc[kColumns];
    if (fold_ == Fold::kSumExp) {
      fold_columns(Fold::kMax, x, cols, nullptr, largest);
      for (int64_t c = 0; c < cols; ++c) largest[c] = finite_offset(largest[c]);
    }
    fold_columns(fold_, x, cols, largest, acc);
    for (int64_t c = 0; c < cols; ++c) {
      dst[c] = finish(params_.op, acc[c], shape_.reduced_count, largest[c]);
    }
  }

  // Every reduced dim is 1.
  void finish_one(float x, float* dst) const {
    const float largest = fold_ == Fold::kSumExp ? finite_offset(x) : 0;
    *dst = finish(params_.op, table_.run[static_cast<int>(fold_)](&x, 1, largest), 1, largest);
  }

  double fold_pieces(Fold fold, float offset, ThreadPool& pool) const {
    const int64_t n = shape_.inner;
    const int64_t pieces = std::clamp<int64_t>(n / kTaskElements, 1, kMaxPieces);
    double part[kMaxPieces];
    pool.parallel_for(pieces, [&](int64_t piece) {
      const int64_t first = n * piece / pieces;
      const int64_t last = n * (piece + 1) / pieces;
      part[piece] = table_.run[static_cast<int>(fold)](params_.src + first, last - first, offset);
    });
    double value = neutral(fold);
    for (int64_t piece = 0; piece < pieces; ++piece) value = combine(fold, value, part[piece]);
    return value;
  }

  void run_to_one(ThreadPool& pool) const {
    float largest = 0;
    if (fold_ == Fold::kSumExp) {
      largest = finite_offset(static_cast<float>(fold_pieces(Fold::kMax, 0, pool)));
    }
    params_.dst[0] =
        finish(params_.op, fold_pieces(fold_, largest, pool), shape_.reduced_count, largest);
  }

  const ReduceParams& params_;
  const Shape& shape_;
  const ReduceTable& table_;
  Fold fold_;
};

// Index of the best.

constexpr int64_t kArgColumns = 64;

void arg_columns(const ArgReduceParams& params, int64_t outer, int64_t first) {
  const int64_t cols = std::min(kArgColumns, params.inner - first);
  const float* x = params.src + outer * params.axis_size * params.inner + first;
  int64_t* index = params.dst + outer * params.inner + first;
  float best[kArgColumns];
  std::copy_n(x, cols, best);
  std::fill_n(index, cols, 0);
  const float flip = params.smallest ? -1.0f : 1.0f;
  for (int64_t a = 1; a < params.axis_size; ++a) {
    const float* row = x + a * params.inner;
    for (int64_t c = 0; c < cols; ++c) {
      const bool better =
          row[c] * flip > best[c] * flip || (std::isnan(row[c]) && !std::isnan(best[c]));
      if (better || (params.last_of_equals && row[c] == best[c])) {
        best[c] = row[c];
        index[c] = a;
      }
    }
  }
}

}  // namespace

void run_reduce(const ReduceParams& params, ThreadPool& pool) {
  const Shape shape = analyse(params);
  const int64_t outputs = shape.kept_count * (shape.inner_reduced ? 1 : shape.inner);
  if (outputs == 0) return;
  if (shape.reduced_count == 0) {
    const Fold fold = fold_of(params.op);
    const float value = finish(params.op, neutral(fold), 0, 0);
    std::fill_n(params.dst, outputs, value);
    return;
  }
  Reduction(params, shape).run(pool);
}

void run_arg_reduce(const ArgReduceParams& params, ThreadPool& pool) {
  const int64_t columns = (params.inner + kArgColumns - 1) / kArgColumns;
  const int64_t units = params.outer * columns;
  const int64_t elements = params.outer * params.axis_size * params.inner;
  if (units == 0) return;
  const int64_t tasks = std::clamp<int64_t>(elements / kTaskElements, 1,
                                            std::min<int64_t>(units, 4 * pool.threads()));
  const ReduceTable& table = reduce_table(params.isa);
  pool.parallel_for(tasks, [&](int64_t task) {
    for (int64_t unit = units * task / tasks; unit < units * (task + 1) / tasks; ++unit) {
      if (params.inner == 1) {
        params.dst[unit] = table.arg_run(params.src + unit * params.axis_size, params.axis_size,
                                         params.smallest, params.last_of_equals);
      } else {
        arg_columns(params, unit / columns, unit % columns * kArgColumns);
      }
    }
  });
}

}  // namespace planish::cpu
