// SPDX-License-Identifier: Apache-2.0
// Unique: the different elements, or the different slices along an axis; where each lies first,
// which of them each input is, and how often each occurs. NaNs are equal and come last.
#include <algorithm>
#include <numeric>

#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_unique(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  const Dim count = c.fresh_dim();
  std::optional<Shape> out;
  Dim searched;
  if (!c.attributes().has("axis")) {
    out = Shape{count};
    searched = c.has_rank(0) ? product(c.shape(0)) : c.fresh_dim();
  } else if (c.has_rank(0)) {
    out = c.shape(0);
    Dim& size =
        (*out)[static_cast<size_t>(c.normalize_axis(c.attributes().integer("axis"), c.rank(0)))];
    searched = std::exchange(size, count);
  } else {
    searched = c.fresh_dim();
  }
  set_tensor(c, 0, dtype, std::move(out));
  set_tensor(c, 1, DType::kI64, Shape{count});
  set_tensor(c, 2, DType::kI64, Shape{searched});
  set_tensor(c, 3, DType::kI64, Shape{count});
}

// The input as `count` slices of `outer` x `inner` elements along an axis.
template <class T>
class Slices {
 public:
  Slices(std::vector<T> values, int64_t outer, int64_t count, int64_t inner)
      : values_(std::move(values)), outer_(outer), count_(count), inner_(inner) {}

  // -1, 0 or 1.
  int compare(int64_t a, int64_t b) const {
    for (int64_t o = 0; o < outer_; ++o)
      for (int64_t i = 0; i < inner_; ++i)
        if (const int order = compare_values(at(o, a, i), at(o, b, i))) return order;
    return 0;
  }

 private:
  const T& at(int64_t o, int64_t slice, int64_t i) const {
    return values_[static_cast<size_t>((o * count_ + slice) * inner_ + i)];
  }
  static int compare_values(const T& a, const T& b) {
    if constexpr (std::is_same_v<T, std::complex<double>>) {
      if (a == b) return 0;
      return a.real() < b.real() || (a.real() == b.real() && a.imag() < b.imag()) ? -1 : 1;
    } else {
      if constexpr (std::is_same_v<T, double>) {
        if (std::isnan(a) || std::isnan(b))
          return static_cast<int>(std::isnan(a)) - static_cast<int>(std::isnan(b));
      }
      return a < b ? -1 : b < a ? 1 : 0;
    }
  }
  std::vector<T> values_;
  int64_t outer_, count_, inner_;
};

struct Found {
  std::vector<int64_t> first;    // of each different slice: its first place
  std::vector<int64_t> inverse;  // of each slice: which of the different ones it is
  std::vector<int64_t> counts;
};

template <class T>
Found find_unique(const Slices<T>& slices, int64_t count, bool sorted) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return slices.compare(a, b) < 0; });
  Found found;
  found.inverse.resize(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || slices.compare(order[i - 1], order[i]) != 0) {
      found.first.push_back(order[i]);
      found.counts.push_back(0);
    }
    ++found.counts.back();
    found.inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(found.first.size()) - 1;
  }
  if (sorted) return found;
  std::vector<size_t> by_place(found.first.size()), rank(found.first.size());
  std::iota(by_place.begin(), by_place.end(), size_t{0});
  std::sort(by_place.begin(), by_place.end(),
            [&](size_t a, size_t b) { return found.first[a] < found.first[b]; });
  Found out;
  for (size_t i = 0; i < by_place.size(); ++i) {
    rank[by_place[i]] = i;
    out.first.push_back(found.first[by_place[i]]);
    out.counts.push_back(found.counts[by_place[i]]);
  }
  for (int64_t k : found.inverse)
    out.inverse.push_back(static_cast<int64_t>(rank[static_cast<size_t>(k)]));
  return out;
}

void run_unique(KernelContext& c) {
  Tensor in = spread(c.input(0));
  const bool flat = !c.attributes().has("axis");
  if (flat) in = in.reshaped({in.count()});
  const int axis = flat ? 0 : c.normalize_axis(c.attributes().integer("axis"), in.rank());
  const int64_t count = in.dim(axis);
  const int64_t outer = outer_count(in.dims(), axis), inner = inner_count(in.dims(), axis);
  const bool sorted = flag(c.attributes(), "sorted", true);
  const Found found =
      in.dtype() == DType::kString
          ? find_unique(Slices<std::string>(in.string_values(), outer, count, inner), count, sorted)
          : with_exact_type(c.input(0).dtype(), [&]<class T>(T) {
              return find_unique(Slices<T>(load<T>(c.input(0)), outer, count, inner), count,
                                 sorted);
            });
  if (c.wants_output(0)) {
    Dims dims = in.dims();
    dims[static_cast<size_t>(axis)] = static_cast<int64_t>(found.first.size());
    fill_spread(c.allocate(0, c.input(0).dtype(), dims),
                [&](Tensor& out) { take(out, in, axis, found.first); });
  }
  if (c.wants_output(1)) c.set_output(1, Tensor::vector_i64(found.first));
  if (c.wants_output(2)) c.set_output(2, Tensor::vector_i64(found.inverse));
  if (c.wants_output(3)) c.set_output(3, Tensor::vector_i64(found.counts));
}

const RegisterOp kUnique({.name = "Unique",
                          .attributes = {optional("axis", AttrKind::kInt),
                                         optional("sorted", AttrKind::kInt)},
                          .outputs = {1, 4},
                          .infer = infer_unique,
                          .run = run_unique,
                          .source = "https://onnx.ai/onnx/operators/onnx__Unique.html"});

}  // namespace
}  // namespace planish
