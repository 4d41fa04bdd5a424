// SPDX-License-Identifier: Apache-2.0
// cpu.pointwise: a tape over whole tensors. Attributes tape_* (tape_text.h); the step's inputs are
// the tape's, its outputs the tape's, all broadcast to the outputs' shape.
#include "backend/cpu/kernels/pointwise.h"

#include "backend/cpu/runtime/step_isa.h"
#include "backend/cpu/runtime/tape_text.h"
#include "runtime/step_kernel.h"

namespace planish::cpu {
namespace {

struct PointwiseState final : StepState {
  PointwiseParams params;
};

class PointwiseStep final : public StepKernel {
 public:
  explicit PointwiseStep(const StepInfo& info)
      : program_(read_tape(info.attributes()), step_isa(info)) {
    info.require(
        info.input_count() == program_.inputs() && info.output_count() == program_.outputs(),
        "the tape has other inputs or outputs than the step");
    for (int i = 0; i < info.output_count(); ++i)
      info.require(info.wants_output(i), "an output is not wanted");
    for (int i = 0; i < info.input_count(); ++i)
      info.require(info.has_input(i), "an input is absent");
  }

  StepBinding bind(const StepShapes& shapes) const override {
    auto state = std::make_unique<PointwiseState>();
    PointwiseParams& p = state->params;
    const KnownTensor& out = shapes.output(0);
    shapes.require(out.present() && out.rank() <= kMaxPointwiseRank,
                   "expected a tensor of few dims");
    p.program = &program_;
    p.rank = out.rank();
    std::copy(out.dims.begin(), out.dims.end(), p.dims);
    for (int i = 0; i < shapes.output_count(); ++i) {
      const KnownTensor& t = shapes.output(i);
      shapes.require(t.same_dims(out) && dtype_bits(t.dtype) == 8 * program_.output_bytes(i),
                     "an output has another shape or type");
      set_broadcast_strides(t.dims, p.rank, &p.outputs[i]);
    }
    for (int i = 0; i < shapes.input_count(); ++i) {
      const KnownTensor& t = shapes.input(i);
      shapes.require(
          t.present() && t.rank() <= p.rank && dtype_bits(t.dtype) == 8 * program_.input_bytes(i),
          "an input has another rank or type");
      for (int k = 0; k < t.rank(); ++k) {
        const int64_t d = t.dims[static_cast<size_t>(k)];
        shapes.require(d == 1 || d == p.dims[p.rank - t.rank() + k],
                       "an input does not broadcast to the output");
      }
      set_broadcast_strides(t.dims, p.rank, &p.inputs[i]);
    }
    StepBinding binding;
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& c) const override {
    PointwiseParams& p = static_cast<PointwiseState&>(*c.state()).params;
    for (int i = 0; i < c.input_count(); ++i)
      p.inputs[i].data = const_cast<std::byte*>(c.input(i).data());
    for (int i = 0; i < c.output_count(); ++i) p.outputs[i].data = c.output(i).data();
    run_pointwise(p, c.pool());
  }

  // The engine writes an element after it has read all operands of it; same size and element width
  // mean same layout, unless a broadcast reads the element again.
  bool may_overwrite(int output, int input) const override {
    return program_.output_bytes(output) == program_.input_bytes(input) && program_.outputs() == 1;
  }

 private:
  PointwiseProgram program_;
};

const RegisterStepKernel kPointwise("cpu.pointwise", make_step_kernel<PointwiseStep>);

}  // namespace
}  // namespace planish::cpu
