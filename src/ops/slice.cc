// SPDX-License-Identifier: Apache-2.0
// Slice: data[start:end:step] along some axes, as numpy has it.
#include <algorithm>

#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

struct Cut {
  int64_t start = 0;
  int64_t step = 1;
  int64_t count = 0;
};

// step is not 0.
Cut cut_axis(int64_t size, int64_t start, int64_t end, int64_t step) {
  // Steps beyond the size act as the size itself: one element at most.
  step = std::clamp(step, -std::max<int64_t>(size, 1), std::max<int64_t>(size, 1));
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
  auto clamped = [&](int64_t at) {
    return std::clamp(at < 0 ? at + size : at, low, std::max(low, high));
  };
  start = clamped(start);
  end = clamped(end);
  const int64_t span = step > 0 ? end - start : start - end;
  const int64_t stride = std::abs(step);
  return {start, step, span <= 0 ? 0 : (span - 1) / stride + 1};
}

// A start or end along an axis of `size`, clamped as cut_axis does; nullopt if its sign is unknown.
std::optional<Dim> clamped_dim(const Dim& size, const Dim& at, bool forward) {
  const Dim low(forward ? 0 : -1), high = forward ? size : size - 1;
  const DimRange range = at.range();
  // The usual spellings of "to the end" stay out of the expressions.
  if (range.min >= INT32_MAX) return high;
  if (range.max <= -INT32_MAX) return low;
  if (range.min >= 0) return Dim::min(at, high);
  if (range.max < 0) return Dim::max(size + at, low);
  return std::nullopt;
}

Dim cut_dim(InferContext& c, const Dim& size, const std::optional<Dim>& start,
            const std::optional<Dim>& end, const std::optional<Dim>& step) {
  if (!start || !end || !step || !step->is_constant()) return c.fresh_dim();
  if (size.is_constant() && start->is_constant() && end->is_constant())
    return cut_axis(size.value(), start->value(), end->value(), step->value()).count;
  const int64_t by = std::max(step->value(), -INT64_MAX);
  const auto from = clamped_dim(size, *start, by > 0), to = clamped_dim(size, *end, by > 0);
  if (!from || !to) return c.fresh_dim();
  const Dim span = by > 0 ? *to - *from : *from - *to;
  return Dim::max(0, span.ceil_div(std::abs(by)));
}

// The axes that are cut, if that is known.
std::optional<std::vector<int>> cut_axes(const InferContext& c, size_t count) {
  std::vector<int64_t> axes;
  for (size_t i = 0; i < count; ++i) axes.push_back(static_cast<int64_t>(i));
  if (c.has_input(3)) {
    const auto given = c.integers(3);
    if (!given) return std::nullopt;
    axes = *given;
  }
  if (axes.size() != count)
    c.fail(concat("there are ", count, " starts and ", axes.size(), " axes"));
  return normalize_axes(c, axes, c.rank(0));
}

Contents contents_or_unknown(const InferContext& c, int i, size_t count) {
  auto known = c.contents(i);
  return known && known->size() == count ? *known : Contents(count);
}

void slice_contents(InferContext& c, const Contents& start, const Contents& end,
                    const Contents& step) {
  const auto known = c.contents(0);
  if (!known || start.size() != 1) return;
  for (const auto* item : {&start, &end, &step})
    if (!(*item)[0] || !(*item)[0]->is_constant()) return;
  const Cut cut = cut_axis(static_cast<int64_t>(known->size()), start[0]->value(), end[0]->value(),
                           step[0]->value());
  Contents out;
  for (int64_t i = 0; i < cut.count; ++i)
    out.push_back((*known)[static_cast<size_t>(cut.start + i * cut.step)]);
  c.set_contents(0, std::move(out));
}

void infer_slice(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_min_rank(c, 0, 1);
  std::optional<int64_t> count;
  for (int i = 1; i < c.input_count(); ++i) {
    if (!c.has_input(i)) continue;
    check_tensor(c, i, is_index_dtype, "int32 or int64");
    check_rank(c, i, 1);
    const auto length = known_length(c, i);
    if (count && length && *count != *length)
      c.fail(concat("input ", i, " has ", *length, " elements, starts has ", *count));
    if (length) count = length;
  }
  if (!c.has_rank(0)) return set_tensor(c, 0, dtype, std::nullopt);
  Shape out = c.shape(0);
  if (count && *count > c.rank(0)) c.fail(concat(*count, " starts for rank ", c.rank(0)));
  const auto axes = count ? cut_axes(c, static_cast<size_t>(*count)) : std::nullopt;
  if (!axes) return set_tensor(c, 0, dtype, fresh_shape(c, out.size()));
  const Contents start = contents_or_unknown(c, 1, axes->size());
  const Contents end = contents_or_unknown(c, 2, axes->size());
  const Contents step =
      c.has_input(4) ? contents_or_unknown(c, 4, axes->size()) : Contents(axes->size(), Dim(1));
  for (size_t i = 0; i < axes->size(); ++i) {
    if (step[i] && *step[i] == Dim(0)) c.fail("a step is 0", ErrorCode::kInvalidValue);
    Dim& dim = out[static_cast<size_t>((*axes)[i])];
    dim = cut_dim(c, dim, start[i], end[i], step[i]);
  }
  if (out.size() == 1) slice_contents(c, start, end, step);
  set_tensor(c, 0, dtype, std::move(out));
}

void run_slice(KernelContext& c) {
  const Tensor in = spread(c.input(0));
  const std::vector<int64_t> starts = load<int64_t>(c.input(1)), ends = load<int64_t>(c.input(2));
  std::vector<int64_t> wish, steps(starts.size(), 1);
  for (size_t i = 0; i < starts.size(); ++i) wish.push_back(static_cast<int64_t>(i));
  if (c.has_input(3)) wish = load<int64_t>(c.input(3));
  if (c.has_input(4)) steps = load<int64_t>(c.input(4));
  c.require(
      ends.size() == starts.size() && wish.size() == starts.size() && steps.size() == starts.size(),
      "starts, ends, axes and steps differ in length");
  const std::vector<int> axes = normalize_axes(c, wish, in.rank());
  View from = row_major_view(in.dims());
  Dims dims = in.dims();
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i]);
    c.require(steps[i] != 0, "a step is 0");
    const Cut cut = cut_axis(dims[axis], starts[i], ends[i], steps[i]);
    dims[axis] = cut.count;
    from.offset += cut.count > 0 ? cut.start * from.strides[axis] : 0;
    from.strides[axis] *= cut.step;
  }
  require_dims(c, c.output(0), dims);
  fill_spread(c.output(0),
              [&](Tensor& out) { copy_view(out, row_major_view(dims), in, from, dims); });
}

const RegisterOp kSlice({.name = "Slice",
                         .inputs = {3, 5},
                         .infer = infer_slice,
                         .run = run_slice,
                         .source = "https://onnx.ai/onnx/operators/onnx__Slice.html"});

}  // namespace
}  // namespace planish
