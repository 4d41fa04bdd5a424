// SPDX-License-Identifier: Apache-2.0
// cpu.lstm, cpu.gru, cpu.rnn: recurrent layers of floats with ONNX's default activations.
//
// Inputs: x; W and R packed for the plan's instruction set, the directions one after the other; the
// bias of the inputs' product [directions, gates * hidden]; that of the state's product; the
// sequences' lengths; initial h; initial c; peepholes. Outputs: those of the op.
#include <limits>

#include "backend/cpu/runtime/recurrent_geometry.h"
#include "backend/cpu/runtime/step_isa.h"
#include "base/str.h"
#include "runtime/step_kernel.h"

namespace planish::cpu {

bool find_recurrent_kind(std::string_view op, bool linear, RecurrentKind* kind) {
  if (op == "LSTM")
    *kind = RecurrentKind::kLstm;
  else if (op == "GRU")
    *kind = linear ? RecurrentKind::kGruLinear : RecurrentKind::kGru;
  else if (op == "RNN")
    *kind = RecurrentKind::kRnn;
  else
    return false;
  return true;
}

Recurrent recurrent_geometry(std::string_view op, const Attributes& a) {
  Recurrent r;
  auto check = [](bool ok, const char* what) {
    if (!ok) throw Error(ErrorCode::kInvalidPlan, concat("recurrent layer: ", what));
  };
  check(find_recurrent_kind(op, a.integer("linear", 0) != 0, &r.kind), "the op is none");
  constexpr int64_t kLimit = int64_t{1} << 24;
  r.inputs = a.integer("inputs");
  r.hidden = a.integer("hidden");
  check(r.inputs >= 0 && r.inputs < kLimit && r.hidden >= 1 && r.hidden < kLimit,
        "a size is out of range");
  const int64_t directions = a.integer("directions");
  check(directions == 1 || directions == 2, "expected 1 or 2 directions");
  r.directions = static_cast<int>(directions);
  r.first_reversed = a.integer("reversed", 0) != 0;
  r.batch_first = a.integer("batch_first", 0) != 0;
  r.clip = static_cast<float>(a.real("clip", 0));
  check(r.clip >= 0, "clip is negative");
  r.input_forget = a.integer("input_forget", 0) != 0;
  if (a.integer("relu", 0) != 0) {
    r.activation = Activation::clip;
    r.q = std::numeric_limits<float>::infinity();
  }
  return r;
}

namespace {

enum Input : int { kX, kW, kR, kInputBias, kStateBias, kLengths, kInitialH, kInitialC, kPeepholes };

struct RecurrentState final : StepState {
  Recurrent layer;
};

class RecurrentStep final : public StepKernel {
 public:
  RecurrentStep(const StepInfo& info, std::string_view op)
      : isa_(step_isa(info)), layer_(recurrent_geometry(op, info.attributes())) {
    info.require(info.has_input(kX) && info.has_input(kW) && info.has_input(kR),
                 "expected data and weights");
    const int64_t n = layer_.directions;
    check_constant(info, kW, n * recurrent_packed_inputs(isa_, layer_));
    check_constant(info, kR, n * recurrent_packed_state(isa_, layer_));
    const int64_t gates = recurrent_gates(layer_.kind) * layer_.hidden;
    if (info.has_input(kInputBias)) check_constant(info, kInputBias, n * gates);
    if (info.has_input(kStateBias)) check_constant(info, kStateBias, n * gates);
    if (info.has_input(kPeepholes)) check_constant(info, kPeepholes, n * 3 * layer_.hidden);
  }

  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor& x = shapes.input(kX);
    shapes.require(x.dtype == DType::kF32 && x.rank() == 3 && x.dims[2] == layer_.inputs,
                   "expected float32 sequences of the layer's inputs");
    auto state = std::make_unique<RecurrentState>();
    Recurrent& r = state->layer;
    r = layer_;
    r.steps = x.dims[r.batch_first ? 1 : 0];
    r.batch = x.dims[r.batch_first ? 0 : 1];
    const int64_t d = r.directions, h = r.hidden;
    const Dims whole = r.batch_first ? Dims{r.batch, r.steps, d, h} : Dims{r.steps, d, r.batch, h};
    const Dims last = r.batch_first ? Dims{r.batch, d, h} : Dims{d, r.batch, h};
    check_floats(shapes, shapes.output(0), whole);
    check_floats(shapes, shapes.output(1), last);
    check_floats(shapes, shapes.output(2), last);
    check_floats(shapes, shapes.input(kInitialH), last);
    check_floats(shapes, shapes.input(kInitialC), last);
    const KnownTensor& lengths = shapes.input(kLengths);
    if (lengths.present())
      shapes.require(lengths.dtype == DType::kI32 && lengths.count() == r.batch,
                     "expected an int32 length for each sequence");
    StepBinding binding;
    binding.scratch_bytes = static_cast<size_t>(recurrent_scratch_bytes(r));
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& c) const override {
    Recurrent r = static_cast<RecurrentState&>(*c.state()).layer;
    const auto floats = [&](int i) { return c.has_input(i) ? c.input(i).as<float>() : nullptr; };
    r.x = floats(kX);
    r.input_weights = floats(kW);
    r.state_weights = floats(kR);
    r.input_bias = floats(kInputBias);
    r.state_bias = floats(kStateBias);
    r.initial_h = floats(kInitialH);
    r.initial_c = floats(kInitialC);
    r.peepholes = floats(kPeepholes);
    if (c.has_input(kLengths)) {
      r.lengths = c.input(kLengths).as<int32_t>();
      for (int64_t i = 0; i < r.batch; ++i)
        if (r.lengths[i] < 0 || r.lengths[i] > r.steps)
          throw Error(ErrorCode::kInvalidValue,
                      concat(c.step().op, ": sequence_lens: expected values from 0 to ", r.steps,
                             ", got ", r.lengths[i]),
                      c.step().node);
    }
    float** outputs[] = {&r.y, &r.final_h, &r.final_c};
    for (int i = 0; i < 3; ++i)
      if (c.wants_output(i)) *outputs[i] = c.output(i).as<float>();
    run_recurrent(isa_, r, c.scratch().data(), c.pool());
  }

 private:
  static void check_constant(const StepInfo& info, int i, int64_t floats) {
    const Tensor* t = info.constant(i);
    info.require(t != nullptr && t->dtype() == DType::kF32 && t->count() == floats,
                 concat("input ", i, ": expected a constant of ", floats, " floats"));
  }
  static void check_floats(const StepShapes& shapes, const KnownTensor& t, const Dims& dims) {
    if (t.present())
      shapes.require(t.dtype == DType::kF32 && std::ranges::equal(t.dims, dims),
                     concat("expected float32 ", dims_to_string(dims)));
  }

  Isa isa_;
  Recurrent layer_;
};

std::unique_ptr<StepKernel> make_lstm(const StepInfo& info) {
  return std::make_unique<RecurrentStep>(info, "LSTM");
}
std::unique_ptr<StepKernel> make_gru(const StepInfo& info) {
  return std::make_unique<RecurrentStep>(info, "GRU");
}
std::unique_ptr<StepKernel> make_rnn(const StepInfo& info) {
  return std::make_unique<RecurrentStep>(info, "RNN");
}

const RegisterStepKernel kLstm("cpu.lstm", make_lstm);
const RegisterStepKernel kGru("cpu.gru", make_gru);
const RegisterStepKernel kRnn("cpu.rnn", make_rnn);

}  // namespace
}  // namespace planish::cpu
