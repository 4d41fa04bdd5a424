// SPDX-License-Identifier: Apache-2.0
// cpu.reduce, cpu.softmax, cpu.row_norm, cpu.group_norm: floats along axes.
#include <algorithm>
#include <limits>

#include "backend/cpu/kernels/norm.h"
#include "backend/cpu/kernels/reduce.h"
#include "backend/cpu/kernels/softmax.h"
#include "backend/cpu/runtime/step_isa.h"
#include "base/str.h"

namespace planish::cpu {
namespace {

template <class Params>
struct ParamsState final : StepState {
  Params params;
};

template <class Params>
StepBinding keep(const Params& params) {
  auto state = std::make_unique<ParamsState<Params>>();
  state->params = params;
  StepBinding binding;
  binding.state = std::move(state);
  return binding;
}

template <class Params>
Params kept(const StepContext& c) {
  return static_cast<ParamsState<Params>&>(*c.state()).params;
}

void require_f32(const StepShapes& shapes, const KnownTensor& t) {
  shapes.require(t.dtype == DType::kF32, "expected float32");
}

// An optional float32 input of so many elements.
void require_vector(const StepShapes& shapes, int input, int64_t count) {
  const KnownTensor& t = shapes.input(input);
  if (t.present())
    shapes.require(t.dtype == DType::kF32 && t.count() == count,
                   "a scale or bias has another size");
}

const float* optional_input(const StepContext& c, int i) {
  return c.has_input(i) ? c.input(i).as<float>() : nullptr;
}

// Attributes op (a name of ReduceOp's below) and axes.
class ReduceStep final : public StepKernel {
 public:
  explicit ReduceStep(const StepInfo& info)
      : isa_(step_isa(info)), axes_(info.attributes().integers("axes")) {
    static constexpr std::string_view kNames[kReduceOps] = {
        "ReduceSum",       "ReduceMean", "ReduceMax", "ReduceMin",    "ReduceProd",
        "ReduceSumSquare", "ReduceL1",   "ReduceL2",  "ReduceLogSum", "ReduceLogSumExp"};
    const auto* found =
        std::find(std::begin(kNames), std::end(kNames), info.attributes().text("op"));
    info.require(found != std::end(kNames) && info.has_input(0) && info.wants_output(0),
                 "expected a reduction");
    op_ = static_cast<ReduceOp>(found - std::begin(kNames));
  }
  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& x = shapes.input(0);
    const KnownTensor& y = shapes.output(0);
    require_f32(shapes, x);
    require_f32(shapes, y);
    shapes.require(x.rank() <= kMaxReduceRank, "too many dims");
    ReduceParams p{.op = op_, .rank = x.rank(), .isa = isa_};
    std::copy(x.dims.begin(), x.dims.end(), p.dims);
    for (int64_t axis : axes_) {
      shapes.require(axis >= 0 && axis < x.rank(), "an axis is outside of the rank");
      p.reduced[axis] = true;
    }
    int64_t count = 1;
    for (int i = 0; i < p.rank; ++i) count *= p.reduced[i] ? 1 : p.dims[i];
    shapes.require(count == y.count(), "the output has another shape");
    return keep(p);
  }
  void run(StepContext& c) const override {
    auto p = kept<ReduceParams>(c);
    p.src = c.input(0).as<float>();
    p.dst = c.output(0).as<float>();
    if (c.input(0).count() == 0)
      std::fill_n(p.dst, c.output(0).count(), of_nothing());
    else
      run_reduce(p, c.pool());
  }

 private:
  // What ONNX gives for a fold over no elements.
  float of_nothing() const {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    switch (op_) {
      case ReduceOp::kMean: return std::numeric_limits<float>::quiet_NaN();
      case ReduceOp::kMin: return kInfinity;
      case ReduceOp::kMax:
      case ReduceOp::kLogSum:
      case ReduceOp::kLogSumExp: return -kInfinity;
      case ReduceOp::kProd: return 1;
      default: return 0;
    }
  }

  Isa isa_;
  ReduceOp op_{};
  std::vector<int64_t> axes_;
};

// Attributes axis and logarithm.
class SoftmaxStep final : public StepKernel {
 public:
  explicit SoftmaxStep(const StepInfo& info)
      : isa_(step_isa(info)),
        axis_(info.attributes().integer("axis")),
        logarithm_(info.attributes().integer("logarithm", 0) != 0) {
    info.require(info.has_input(0) && info.wants_output(0), "expected an input and an output");
  }
  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& x = shapes.input(0);
    require_f32(shapes, x);
    shapes.require(x.same_type(shapes.output(0)) && axis_ >= 0 && axis_ < x.rank(),
                   "the axis is outside of the rank");
    SoftmaxParams p{.logarithm = logarithm_, .isa = isa_};
    p.axis_size = x.dims[static_cast<size_t>(axis_)];
    for (int i = 0; i < x.rank(); ++i) {
      if (i < axis_) p.outer *= x.dims[static_cast<size_t>(i)];
      if (i > axis_) p.inner *= x.dims[static_cast<size_t>(i)];
    }
    return keep(p);
  }
  void run(StepContext& c) const override {
    if (c.output(0).count() == 0) return;
    auto p = kept<SoftmaxParams>(c);
    p.src = c.input(0).as<float>();
    p.dst = c.output(0).as<float>();
    run_softmax(p, c.pool());
  }
  bool may_overwrite(int, int) const override { return true; }

 private:
  Isa isa_;
  int64_t axis_;
  bool logarithm_;
};

// Attributes axis (the first normalised), epsilon, rms. Inputs x, scale, bias.
class RowNormStep final : public StepKernel {
 public:
  explicit RowNormStep(const StepInfo& info)
      : isa_(step_isa(info)),
        axis_(info.attributes().integer("axis")),
        epsilon_(static_cast<float>(info.attributes().real("epsilon", 1e-5))),
        rms_(info.attributes().integer("rms", 0) != 0) {
    info.require(info.has_input(0) && info.wants_output(0), "expected an input and an output");
  }
  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& x = shapes.input(0);
    require_f32(shapes, x);
    shapes.require(x.same_type(shapes.output(0)) && axis_ >= 0 && axis_ <= x.rank(),
                   "the axis is outside of the rank");
    RowNormParams p{.rows = 1, .cols = 1, .epsilon = epsilon_, .rms = rms_, .isa = isa_};
    for (int i = 0; i < x.rank(); ++i)
      (i < axis_ ? p.rows : p.cols) *= x.dims[static_cast<size_t>(i)];
    require_vector(shapes, 1, p.cols);
    require_vector(shapes, 2, p.cols);
    return keep(p);
  }
  void run(StepContext& c) const override {
    if (c.output(0).count() == 0) return;
    auto p = kept<RowNormParams>(c);
    p.x = c.input(0).as<float>();
    p.y = c.output(0).as<float>();
    p.scale = optional_input(c, 1);
    p.bias = optional_input(c, 2);
    run_row_norm(p, c.pool());
  }

 private:
  Isa isa_;
  int64_t axis_;
  float epsilon_;
  bool rms_;
};

// Attributes groups (0: one a channel), epsilon, channels_last. Inputs x [n, c, ...] or [n, ...,
// c], scale [c], bias [c].
class GroupNormStep final : public StepKernel {
 public:
  explicit GroupNormStep(const StepInfo& info)
      : isa_(step_isa(info)),
        groups_(info.attributes().integer("groups")),
        epsilon_(static_cast<float>(info.attributes().real("epsilon", 1e-5))),
        channels_last_(info.attributes().integer("channels_last", 0) != 0) {
    info.require(info.has_input(0) && info.wants_output(0) && groups_ >= 0,
                 "expected an input and an output");
  }
  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& x = shapes.input(0);
    require_f32(shapes, x);
    shapes.require(x.same_type(shapes.output(0)) && x.rank() >= 2, "expected [n, c, ...]");
    const size_t axis = channels_last_ ? static_cast<size_t>(x.rank()) - 1 : 1;
    // Without channels there is nothing to do, in one group.
    const int64_t channels = x.dims[axis];
    const int64_t groups = groups_ == 0 ? std::max<int64_t>(channels, 1) : groups_;
    shapes.require(channels % groups == 0, "the groups do not divide the channels");
    GroupNormParams p{.batch = x.dims[0],
                      .groups = groups,
                      .group_channels = channels / groups,
                      .channels_last = channels_last_,
                      .epsilon = epsilon_,
                      .isa = isa_};
    shapes.require(!channels_last_ || p.group_channels <= kMaxGroupChannelsLast,
                   "a group has too many channels");
    for (size_t i = 1; i < static_cast<size_t>(x.rank()); ++i)
      if (i != axis) p.spatial *= x.dims[i];
    require_vector(shapes, 1, channels);
    require_vector(shapes, 2, channels);
    return keep(p);
  }
  void run(StepContext& c) const override {
    if (c.output(0).count() == 0) return;
    auto p = kept<GroupNormParams>(c);
    p.x = c.input(0).as<float>();
    p.y = c.output(0).as<float>();
    p.scale = optional_input(c, 1);
    p.bias = optional_input(c, 2);
    run_group_norm(p, c.pool());
  }

 private:
  Isa isa_;
  int64_t groups_;
  float epsilon_;
  bool channels_last_;
};

const RegisterStepKernel kReduce("cpu.reduce", make_step_kernel<ReduceStep>);
const RegisterStepKernel kSoftmax("cpu.softmax", make_step_kernel<SoftmaxStep>);
const RegisterStepKernel kRowNorm("cpu.row_norm", make_step_kernel<RowNormStep>);
const RegisterStepKernel kGroupNorm("cpu.group_norm", make_step_kernel<GroupNormStep>);

}  // namespace
}  // namespace planish::cpu
