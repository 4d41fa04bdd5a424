// SPDX-License-Identifier: Apache-2.0
// cpu.transpose, cpu.concat, cpu.slice, cpu.split, cpu.expand, cpu.blocks, cpu.gather: elements of
// whole bytes are moved, whatever they mean.
#include <algorithm>
#include <cstring>

#include "backend/cpu/kernels/copy.h"
#include "backend/cpu/kernels/gather.h"
#include "backend/cpu/runtime/step_isa.h"
#include "base/checked.h"
#include "base/str.h"

namespace planish::cpu {
namespace {

struct CopyState final : StepState {
  // One copy each; offsets in elements from the start of the input or output.
  struct Part {
    CopyParams copy;
    int input = 0;
    int output = 0;
    int64_t src_offset = 0;
    int64_t dst_offset = 0;
  };
  std::vector<Part> parts;
};

int element_bytes(const StepShapes& shapes, const KnownTensor& t) {
  const int bits = dtype_bits(t.dtype);
  shapes.require(bits >= 8, "expected elements of whole bytes");
  return bits / 8;
}

// Of dims that the executor has checked: no product of them overflows.
std::vector<int64_t> row_major(std::span<const int64_t> dims) {
  std::vector<int64_t> strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

// A copy of `dims` elements between two layouts.
CopyParams copy_params(const StepShapes& shapes, int bytes, std::span<const int64_t> dims,
                       std::span<const int64_t> src_strides, std::span<const int64_t> dst_strides) {
  shapes.require(dims.size() <= kMaxCopyRank, "too many dims");
  CopyParams p;
  p.element_bytes = bytes;
  p.rank = static_cast<int>(dims.size());
  std::copy(dims.begin(), dims.end(), p.dims);
  std::copy(src_strides.begin(), src_strides.end(), p.src_strides);
  std::copy(dst_strides.begin(), dst_strides.end(), p.dst_strides);
  return p;
}

class CopyStep : public StepKernel {
 public:
  explicit CopyStep(const StepInfo& info) : isa_(step_isa(info)) {
    info.require(info.has_input(0) && info.output_count() >= 1, "expected an input and an output");
  }

  StepBinding bind(const StepShapes& shapes) const override {
    auto state = std::make_unique<CopyState>();
    for (int i = 0; i < shapes.output_count(); ++i)
      if (shapes.output(i).present())
        shapes.require(shapes.output(i).dtype == shapes.input(0).dtype,
                       "the output has another type");
    plan(shapes, *state);
    for (CopyState::Part& part : state->parts) part.copy.isa = isa_;
    StepBinding binding;
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& c) const override {
    for (CopyState::Part& part : static_cast<CopyState&>(*c.state()).parts) {
      CopyParams& p = part.copy;
      p.src = c.input(part.input).data() + part.src_offset * p.element_bytes;
      p.dst = c.output(part.output).data() + part.dst_offset * p.element_bytes;
      run_copy(p, c.pool());
    }
  }

 protected:
  virtual void plan(const StepShapes& shapes, CopyState& state) const = 0;

 private:
  Isa isa_;
};

class TransposeStep final : public CopyStep {
 public:
  explicit TransposeStep(const StepInfo& info)
      : CopyStep(info), perm_(info.attributes().integers("perm")) {
    std::vector<int64_t> sorted = perm_;
    std::sort(sorted.begin(), sorted.end());
    for (size_t i = 0; i < sorted.size(); ++i)
      info.require(sorted[i] == static_cast<int64_t>(i), "perm is no permutation");
  }

 private:
  void plan(const StepShapes& shapes, CopyState& state) const override {
    const KnownTensor& x = shapes.input(0);
    const KnownTensor& y = shapes.output(0);
    shapes.require(x.present() && x.dims.size() == perm_.size() && y.dims.size() == perm_.size() &&
                       perm_.size() <= kMaxCopyRank,
                   "perm does not fit the rank");
    for (size_t i = 0; i < perm_.size(); ++i)
      shapes.require(y.dims[i] == x.dims[static_cast<size_t>(perm_[i])],
                     "the output has another shape");
    state.parts.push_back(
        {transpose_params(nullptr, nullptr, element_bytes(shapes, x), x.dims, perm_)});
  }
  std::vector<int64_t> perm_;
};

class ConcatStep final : public CopyStep {
 public:
  explicit ConcatStep(const StepInfo& info)
      : CopyStep(info), axis_(info.attributes().integer("axis")) {}

 private:
  void plan(const StepShapes& shapes, CopyState& state) const override {
    const KnownTensor& y = shapes.output(0);
    shapes.require(axis_ >= 0 && axis_ < y.rank(), "the axis is outside of the rank");
    const auto axis = static_cast<size_t>(axis_);
    const std::vector<int64_t> strides = row_major(y.dims);
    int64_t at = 0;
    for (int i = 0; i < shapes.input_count(); ++i) {
      const KnownTensor& x = shapes.input(i);
      shapes.require(x.dtype == y.dtype && x.rank() == y.rank(),
                     "an input has another type or rank");
      for (size_t k = 0; k < y.dims.size(); ++k)
        shapes.require(k == axis || x.dims[k] == y.dims[k],
                       "an input does not fit beside the others");
      CopyState::Part part{
          copy_params(shapes, element_bytes(shapes, x), x.dims, row_major(x.dims), strides)};
      part.input = i;
      part.dst_offset = at * strides[axis];
      at += x.dims[axis];
      if (x.count() != 0) state.parts.push_back(part);
    }
    shapes.require(at == y.dims[axis], "the inputs do not fill the output");
  }
  int64_t axis_;
};

class SplitStep final : public CopyStep {
 public:
  explicit SplitStep(const StepInfo& info)
      : CopyStep(info), axis_(info.attributes().integer("axis")) {}

 private:
  void plan(const StepShapes& shapes, CopyState& state) const override {
    const KnownTensor& x = shapes.input(0);
    shapes.require(axis_ >= 0 && axis_ < x.rank(), "the axis is outside of the rank");
    const auto axis = static_cast<size_t>(axis_);
    const std::vector<int64_t> strides = row_major(x.dims);
    int64_t at = 0;
    for (int i = 0; i < shapes.output_count(); ++i) {
      const KnownTensor& y = shapes.output(i);
      shapes.require(y.present() && y.rank() == x.rank(), "an output has another rank");
      for (size_t k = 0; k < x.dims.size(); ++k)
        shapes.require(k == axis || x.dims[k] == y.dims[k], "an output has another shape");
      CopyState::Part part{
          copy_params(shapes, element_bytes(shapes, x), y.dims, strides, row_major(y.dims))};
      part.output = i;
      part.src_offset = at * strides[axis];
      at += y.dims[axis];
      if (y.count() != 0) state.parts.push_back(part);
    }
    shapes.require(at == x.dims[axis], "the outputs do not use up the input");
  }
  int64_t axis_;
};

// Attributes starts, axes, steps: as Slice's inputs, starts clamped when shapes are known.
class SliceStep final : public CopyStep {
 public:
  explicit SliceStep(const StepInfo& info)
      : CopyStep(info),
        starts_(info.attributes().integers("starts")),
        axes_(info.attributes().integers("axes")),
        steps_(info.attributes().integers("steps")) {
    info.require(starts_.size() == axes_.size() && steps_.size() == axes_.size(),
                 "starts, axes and steps differ in length");
    for (int64_t step : steps_)
      info.require(step != 0 && step > -(int64_t{1} << 40) && step < (int64_t{1} << 40),
                   "a step is out of range");
  }

 private:
  void plan(const StepShapes& shapes, CopyState& state) const override {
    const KnownTensor& x = shapes.input(0);
    const KnownTensor& y = shapes.output(0);
    shapes.require(x.present() && x.rank() == y.rank(), "the output has another rank");
    std::vector<int64_t> strides = row_major(x.dims);
    int64_t offset = 0;
    std::vector<bool> sliced(x.dims.size(), false);
    for (size_t k = 0; k < axes_.size(); ++k) {
      shapes.require(axes_[k] >= 0 && axes_[k] < x.rank(), "an axis is outside of the rank");
      const auto axis = static_cast<size_t>(axes_[k]);
      shapes.require(!sliced[axis], "an axis is sliced twice");
      sliced[axis] = true;
      const int64_t d = x.dims[axis], n = y.dims[axis], step = steps_[k];
      int64_t start = starts_[k] < 0 ? std::max<int64_t>(starts_[k], -d) + d : starts_[k];
      start = step > 0 ? std::min(start, d) : std::min(start, d - 1);
      if (n == 0) continue;
      const int64_t last = checked_add(start, checked_mul(n - 1, step, "slice"), "slice");
      shapes.require(start >= 0 && start < d && last >= 0 && last < d && n <= d,
                     "the slice leaves its input");
      offset += start * strides[axis];
      if (n > 1) strides[axis] *= step;
    }
    for (size_t k = 0; k < x.dims.size(); ++k)
      shapes.require(sliced[k] || x.dims[k] == y.dims[k], "the output has another shape");
    if (y.count() == 0) return;
    CopyState::Part part{
        copy_params(shapes, element_bytes(shapes, x), y.dims, strides, row_major(y.dims))};
    part.src_offset = offset;
    state.parts.push_back(part);
  }
  std::vector<int64_t> starts_, axes_, steps_;
};

class ExpandStep final : public CopyStep {
 public:
  using CopyStep::CopyStep;

 private:
  void plan(const StepShapes& shapes, CopyState& state) const override {
    const KnownTensor& x = shapes.input(0);
    const KnownTensor& y = shapes.output(0);
    shapes.require(x.present() && x.rank() <= y.rank(), "the input has more dims than the output");
    const std::vector<int64_t> own = row_major(x.dims);
    std::vector<int64_t> strides(y.dims.size(), 0);
    for (size_t from = 0; from < x.dims.size(); ++from) {
      const size_t to = y.dims.size() - x.dims.size() + from;
      shapes.require(x.dims[from] == 1 || x.dims[from] == y.dims[to],
                     "the input does not broadcast to the output");
      if (x.dims[from] != 1) strides[to] = own[from];
    }
    if (y.count() != 0)
      state.parts.push_back(
          {copy_params(shapes, element_bytes(shapes, x), y.dims, strides, row_major(y.dims))});
  }
};

// DepthToSpace and, with `inverse`, SpaceToDepth. Attributes blocksize, inverse, and block_first: a
// channel of the deep tensor is numbered by its place in the block first.
class BlocksStep final : public CopyStep {
 public:
  explicit BlocksStep(const StepInfo& info)
      : CopyStep(info),
        block_(info.attributes().integer("blocksize")),
        inverse_(info.attributes().integer("inverse", 0) != 0),
        block_first_(info.attributes().integer("block_first", 1) != 0) {
    info.require(block_ >= 1 && block_ <= INT32_MAX, "the block size is out of range");
  }

 private:
  void plan(const StepShapes& shapes, CopyState& state) const override {
    const KnownTensor& deep = inverse_ ? shapes.output(0) : shapes.input(0);
    const KnownTensor& wide = inverse_ ? shapes.input(0) : shapes.output(0);
    shapes.require(deep.rank() == 4 && wide.rank() == 4 && deep.dims[0] == wide.dims[0] &&
                       wide.dims[2] == checked_mul(deep.dims[2], block_, "rows") &&
                       wide.dims[3] == checked_mul(deep.dims[3], block_, "columns") &&
                       deep.count() == wide.count(),
                   "the output has another shape");
    if (wide.count() == 0) return;
    const int64_t channels = wide.dims[1], rows = deep.dims[2], columns = deep.dims[3];
    const int64_t plane = rows * columns;
    const int64_t place =
        block_first_ ? channels * plane : plane;  // from place to place of a block
    const int64_t channel = block_first_ ? plane : plane * block_ * block_;
    const std::vector<int64_t> s = row_major(wide.dims);
    const int64_t dims[] = {wide.dims[0], channels, rows, block_, columns, block_};
    const int64_t in_deep[] = {
        channels * block_ * block_ * plane, channel, columns, block_ * place, 1, place};
    const int64_t in_wide[] = {s[0], s[1], s[2] * block_, s[2], block_, 1};
    const int bytes = element_bytes(shapes, wide);
    state.parts.push_back({inverse_ ? copy_params(shapes, bytes, dims, in_wide, in_deep)
                                    : copy_params(shapes, bytes, dims, in_deep, in_wide)});
  }
  int64_t block_;
  bool inverse_, block_first_;
};

struct GatherState final : StepState {
  GatherParams params;
};

class GatherStep final : public StepKernel {
 public:
  explicit GatherStep(const StepInfo& info) : axis_(info.attributes().integer("axis")) {
    info.require(info.has_input(0) && info.has_input(1) && info.wants_output(0),
                 "expected two inputs, one output");
  }
  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& x = shapes.input(0);
    const KnownTensor& indices = shapes.input(1);
    const KnownTensor& y = shapes.output(0);
    shapes.require(x.present() && axis_ >= 0 && axis_ < x.rank() && y.dtype == x.dtype,
                   "the axis is outside of the rank");
    shapes.require(indices.dtype == DType::kI64 || indices.dtype == DType::kI32,
                   "expected int32 or int64 indices");
    auto state = std::make_unique<GatherState>();
    GatherParams& p = state->params;
    const int bytes = element_bytes(shapes, x);
    int64_t slice = 1;
    for (int i = 0; i < x.rank(); ++i)
      (i < axis_ ? p.outer : slice) *= i == axis_ ? 1 : x.dims[static_cast<size_t>(i)];
    p.wide_indices = indices.dtype == DType::kI64;
    p.axis_size = x.dims[static_cast<size_t>(axis_)];
    p.index_count = indices.count();
    p.slice_bytes = slice * bytes;
    const int64_t rows = checked_mul(p.outer, p.index_count, "gathered rows");
    shapes.require(y.count() == checked_mul(rows, slice, "gathered elements"),
                   "the output has another shape");
    StepBinding binding;
    binding.state = std::move(state);
    return binding;
  }
  void run(StepContext& c) const override {
    GatherParams p = static_cast<GatherState&>(*c.state()).params;
    p.data = c.input(0).data();
    p.indices = c.input(1).data();
    p.out = c.output(0).data();
    run_gather(p, c.pool());
  }

 private:
  int64_t axis_;
};

const RegisterStepKernel kTranspose("cpu.transpose", make_step_kernel<TransposeStep>);
const RegisterStepKernel kConcat("cpu.concat", make_step_kernel<ConcatStep>);
const RegisterStepKernel kSplit("cpu.split", make_step_kernel<SplitStep>);
const RegisterStepKernel kSlice("cpu.slice", make_step_kernel<SliceStep>);
const RegisterStepKernel kExpand("cpu.expand", make_step_kernel<ExpandStep>);
const RegisterStepKernel kBlocks("cpu.blocks", make_step_kernel<BlocksStep>);
const RegisterStepKernel kGather("cpu.gather", make_step_kernel<GatherStep>);

}  // namespace
}  // namespace planish::cpu
