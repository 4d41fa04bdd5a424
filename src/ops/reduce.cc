// SPDX-License-Identifier: Apache-2.0
// ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd, ReduceSumSquare, ReduceL1, ReduceL2,
// ReduceLogSum, ReduceLogSumExp.
#include "ops/reduce.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ops/contents.h"
#include "ops/strides.h"

namespace planish {
namespace {

enum class Fold { kSum, kSumSquare, kSumAbs, kSumExp, kProd, kMax, kMin };
enum class After { kNothing, kMean, kSqrt, kLog, kLogPlusMax };

struct ReduceRecipe {
  Fold fold;
  After after = After::kNothing;
  bool in_double = false;  // integers too; the result is truncated
};

// ---- shape rule

std::optional<Shape> reduced_shape(InferContext& c, bool keep) {
  if (!c.has_rank(0)) return std::nullopt;
  const auto axes = c.has_input(1) ? c.integers(1) : std::optional(std::vector<int64_t>());
  if (axes) return reduced_dims(c.shape(0), marked_axes(c, *axes, c.rank(0)), keep);
  if (keep) return fresh_shape(c, static_cast<size_t>(c.rank(0)));
  const auto count = known_length(c, 1);
  if (!count || *count == 0) return std::nullopt;
  if (*count > c.rank(0)) c.fail(concat(*count, " axes for ", c.input(0).to_string()));
  return fresh_shape(c, static_cast<size_t>(c.rank(0) - *count));
}

template <class F>
void fold_contents(InferContext& c, const std::optional<Shape>& out, F&& f) {
  const auto known = c.contents(0);
  if (!known || !out || out->size() > 1 || known->empty() || c.rank(0) != 1) return;
  if (!(product(*out) == Dim(1)) || flag(c.attributes(), "noop_with_empty_axes", false)) return;
  std::optional<Dim> total = (*known)[0];
  for (size_t i = 1; i < known->size() && total; ++i) {
    const auto& item = (*known)[i];
    total = item ? without_overflow([&] { return f(*total, *item); }) : std::nullopt;
  }
  if (c.dtype(0) == DType::kI32 && total && total->is_constant() &&
      (total->value() < INT32_MIN || total->value() > INT32_MAX))
    total.reset();
  c.set_contents(0, {total});
}

void infer_reduce(InferContext& c, Fold fold, bool is_plain) {
  const DType dtype = check_tensor(c, 0);
  const bool has_order = fold == Fold::kMax || fold == Fold::kMin;
  if (dtype == DType::kString || is_complex(dtype) || (dtype == DType::kBool && !has_order))
    c.fail(concat("input 0: expected numbers, got ", dtype_name(dtype)), ErrorCode::kInvalidType);
  if (c.has_input(1)) {
    check_tensor(c, 1, is_i64, "int64");
    check_rank(c, 1, 1);
  }
  auto out = reduced_shape(c, flag(c.attributes(), "keepdims", true));
  if (is_plain && is_index_dtype(dtype)) {
    if (fold == Fold::kSum) fold_contents(c, out, [](const Dim& a, const Dim& b) { return a + b; });
    if (fold == Fold::kProd)
      fold_contents(c, out, [](const Dim& a, const Dim& b) { return a * b; });
    if (fold == Fold::kMax)
      fold_contents(c, out, [](const Dim& a, const Dim& b) { return Dim::max(a, b); });
    if (fold == Fold::kMin)
      fold_contents(c, out, [](const Dim& a, const Dim& b) { return Dim::min(a, b); });
  }
  set_tensor(c, 0, dtype, std::move(out));
}

// ---- kernel

template <class T>
T wrapped_sum(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else
    return a + b;
}

template <class T>
T wrapped_product(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else
    return a * b;
}

template <class T>
T absolute(T a) {
  if constexpr (std::is_same_v<T, int64_t>)
    return a < 0 ? static_cast<T>(-static_cast<uint64_t>(a)) : a;
  else if constexpr (std::is_same_v<T, uint64_t>)
    return a;
  else
    return std::fabs(a);
}

// NaN wins.
template <class T>
T larger(T a, T b) {
  return a != a || a > b ? a : b;
}
template <class T>
T smaller(T a, T b) {
  return a != a || a < b ? a : b;
}

// The value of an empty fold. For integers the extremes are those of the tensor's own type.
template <class T>
T start_value(Fold fold, DType type) {
  if (fold == Fold::kProd) return 1;
  if (fold != Fold::kMax && fold != Fold::kMin) return 0;
  if constexpr (std::is_same_v<T, double>) {
    const double inf = std::numeric_limits<double>::infinity();
    return fold == Fold::kMax ? -inf : inf;
  } else {
    const int bits = type == DType::kBool ? 1 : dtype_bits(type);
    const bool is_signed = dtype_class(type) == DTypeClass::kSigned;
    const uint64_t ones = ~uint64_t{0} >> (64 - std::max(is_signed ? bits - 1 : bits, 1));
    if (fold == Fold::kMin) return static_cast<T>(ones);
    return is_signed ? static_cast<T>(~ones) : T{0};
  }
}

// The input as rows along its last axis, in order; each row belongs to outputs [to, to + step * n).
struct ReduceRows {
  Dims dims;  // of the outer axes
  View to;    // where a row starts in the output
  int64_t length;
  int64_t step;  // 0: the row is folded into one output
};

ReduceRows row_layout(const Dims& dims, const std::vector<bool>& reduced) {
  Dims strides(dims.size(), 0);
  int64_t count = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    if (reduced[i]) continue;
    strides[i] = count;
    count *= dims[i];
  }
  if (dims.empty()) return {{}, {}, 1, 0};
  const int64_t step = strides.back();
  strides.pop_back();
  return {Dims(dims.begin(), dims.end() - 1), {0, strides}, dims.back(), step == 0 ? 0 : 1};
}

// Folds every element x of `in`, as f(total, x, output index), into `totals`.
template <class T, class F>
void fold_elements(const Tensor& in, const ReduceRows& rows, std::vector<T>& totals, F&& f) {
  constexpr int64_t kChunk = 1024;
  std::array<T, kChunk> chunk;
  int64_t next = 0, loaded = 0, used = 0;
  for (Walk walk(rows.dims, {rows.to}); !walk.done(); walk.next()) {
    auto to = static_cast<size_t>(walk[0]);
    for (int64_t left = rows.length; left > 0;) {
      if (used == loaded) {
        loaded = std::min(kChunk, in.count() - next);
        load<T>(in, next, loaded, chunk.data());
        next += loaded;
        used = 0;
      }
      const int64_t n = std::min(left, loaded - used);
      const T* x = chunk.data() + used;
      if (rows.step == 0) {
        T total = totals[to];
        for (int64_t i = 0; i < n; ++i) total = f(total, x[i], to);
        totals[to] = total;
      } else {
        for (int64_t i = 0; i < n; ++i, ++to) totals[to] = f(totals[to], x[i], to);
      }
      used += n;
      left -= n;
    }
  }
}

template <class T>
std::vector<T> fold_all(const Tensor& in, const ReduceRows& rows, size_t count, Fold fold) {
  std::vector<T> totals(count, start_value<T>(fold, in.dtype()));
  switch (fold) {
    case Fold::kSum:
      fold_elements(in, rows, totals, [](T a, T x, size_t) { return wrapped_sum(a, x); });
      break;
    case Fold::kSumSquare:
      fold_elements(in, rows, totals,
                    [](T a, T x, size_t) { return wrapped_sum(a, wrapped_product(x, x)); });
      break;
    case Fold::kSumAbs:
      fold_elements(in, rows, totals, [](T a, T x, size_t) { return wrapped_sum(a, absolute(x)); });
      break;
    case Fold::kProd:
      fold_elements(in, rows, totals, [](T a, T x, size_t) { return wrapped_product(a, x); });
      break;
    case Fold::kMax:
      fold_elements(in, rows, totals, [](T a, T x, size_t) { return larger(a, x); });
      break;
    case Fold::kMin:
      fold_elements(in, rows, totals, [](T a, T x, size_t) { return smaller(a, x); });
      break;
    case Fold::kSumExp: break;
  }
  return totals;
}

// log of a sum of exponentials, the largest taken out first.
std::vector<double> log_sum_exp(const Tensor& in, const ReduceRows& rows, size_t count) {
  const std::vector<double> peak = fold_all<double>(in, rows, count, Fold::kMax);
  std::vector<double> totals(count, 0);
  fold_elements(in, rows, totals, [&](double a, double x, size_t to) {
    return a + (x == peak[to] ? 1.0 : std::exp(x - peak[to]));
  });
  for (size_t i = 0; i < count; ++i)
    totals[i] = std::log(totals[i]) + (totals[i] == 0 ? 0 : peak[i]);
  return totals;
}

template <class T>
void finish(std::vector<T>& totals, After after, double reduced_count) {
  for (T& v : totals) {
    if (after == After::kMean) v = static_cast<T>(static_cast<double>(v) / reduced_count);
    if (after == After::kSqrt) v = static_cast<T>(std::sqrt(static_cast<double>(v)));
    if (after == After::kLog) v = static_cast<T>(std::log(static_cast<double>(v)));
  }
}

void reduce(KernelContext& c, const ReduceRecipe& how) {
  const Tensor& in = c.input(0);
  Tensor& out = c.output(0);
  const std::vector<int64_t> axes =
      c.has_input(1) ? load<int64_t>(c.input(1)) : std::vector<int64_t>();
  const std::vector<bool> reduced = marked_axes(c, axes, in.rank());
  require_dims(c, out, reduced_dims(in.dims(), reduced, flag(c.attributes(), "keepdims", true)));
  const ReduceRows rows = row_layout(in.dims(), reduced);
  const auto count = static_cast<size_t>(out.count());
  if (how.after == After::kLogPlusMax) return store(out, log_sum_exp(in, rows, count));
  double reduced_count = 1;
  for (size_t i = 0; i < reduced.size(); ++i)
    if (reduced[i]) reduced_count *= static_cast<double>(in.dims()[i]);
  auto run = [&]<class T>(T) {
    std::vector<T> totals = fold_all<T>(in, rows, count, how.fold);
    finish(totals, how.after, reduced_count);
    store(out, totals);
  };
  if (how.in_double)
    run(double{});
  else
    with_real_type(in.dtype(), run);
}

template <Fold fold, After after>
OpDef reduce_op(const char* name) {
  static constexpr ReduceRecipe kHow{fold, after, after != After::kNothing};
  return {.name = name,
          .attributes = {optional("keepdims", AttrKind::kInt),
                         optional("noop_with_empty_axes", AttrKind::kInt)},
          .inputs = {1, 2},
          .infer = [](InferContext& c) { infer_reduce(c, fold, after == After::kNothing); },
          .run = [](KernelContext& c) { reduce(c, kHow); },
          .tolerance = {fold == Fold::kMax || fold == Fold::kMin ? 0 : 1e-5},
          .source = std::string("https://onnx.ai/onnx/operators/onnx__") + name + ".html"};
}

const RegisterOp kReduceSum(reduce_op<Fold::kSum, After::kNothing>("ReduceSum"));
const RegisterOp kReduceMean(reduce_op<Fold::kSum, After::kMean>("ReduceMean"));
const RegisterOp kReduceMax(reduce_op<Fold::kMax, After::kNothing>("ReduceMax"));
const RegisterOp kReduceMin(reduce_op<Fold::kMin, After::kNothing>("ReduceMin"));
const RegisterOp kReduceProd(reduce_op<Fold::kProd, After::kNothing>("ReduceProd"));
const RegisterOp kReduceSumSquare(reduce_op<Fold::kSumSquare, After::kNothing>("ReduceSumSquare"));
const RegisterOp kReduceL1(reduce_op<Fold::kSumAbs, After::kNothing>("ReduceL1"));
const RegisterOp kReduceL2(reduce_op<Fold::kSumSquare, After::kSqrt>("ReduceL2"));
const RegisterOp kReduceLogSum(reduce_op<Fold::kSum, After::kLog>("ReduceLogSum"));
const RegisterOp kReduceLogSumExp(reduce_op<Fold::kSumExp, After::kLogPlusMax>("ReduceLogSumExp"));

}  // namespace
}  // namespace planish
