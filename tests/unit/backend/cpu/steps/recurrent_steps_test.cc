// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"
#include "unit/backend/cpu/step_case_support.h"

namespace planish::test {
namespace {

struct Layer {
  std::string name, op;
  int64_t steps, batch, inputs, hidden, directions;
  std::string attributes;
  bool bias = true, lengths = false, initial = false, peepholes = false;
};

int64_t gates(const std::string& op) { return op == "LSTM" ? 4 : op == "GRU" ? 3 : 1; }

StepCase layer_case(const Layer& l) {
  const bool batch_first = l.attributes.find("layout=1") != std::string::npos;
  const int64_t rows = gates(l.op) * l.hidden, d = l.directions;
  const std::string state = batch_first ? concat(l.batch, ", ", d, ", ", l.hidden)
                                        : concat(d, ", ", l.batch, ", ", l.hidden);
  std::string text = concat("input %x : float32[", batch_first ? l.batch : l.steps, ", ",
                            batch_first ? l.steps : l.batch, ", ", l.inputs, "]\n");
  if (l.lengths) text += concat("input %lengths : int32[", l.batch, "]\n");
  if (l.initial) text += concat("input %h : float32[", state, "]\n");
  if (l.initial && l.op == "LSTM") text += concat("input %c : float32[", state, "]\n");
  text += random_constant("w", DType::kF32, {d, rows, l.inputs});
  text += random_constant("r", DType::kF32, {d, rows, l.hidden});
  if (l.bias) text += random_constant("b", DType::kF32, {d, 2 * rows});
  if (l.peepholes) text += random_constant("p", DType::kF32, {d, 3 * l.hidden});
  std::string more = concat(l.initial ? ", %h" : ", _");
  if (l.op == "LSTM") more += concat(l.initial ? ", %c" : ", _", l.peepholes ? ", %p" : ", _");
  std::string kernel = l.op == "LSTM" ? "cpu.lstm" : l.op == "GRU" ? "cpu.gru" : "cpu.rnn";
  text += concat(l.op == "LSTM" ? "%y, %yh, %yc = " : "%y, %yh = ", l.op, "(%x, %w, %r, ",
                 l.bias ? "%b" : "_", l.lengths ? ", %lengths" : ", _", more,
                 ") {hidden_size=", l.hidden, l.attributes.empty() ? "" : ", ", l.attributes,
                 "}\noutput %y\noutput %yh\n", l.op == "LSTM" ? "output %yc" : "");
  return {l.name, text, {kernel}};
}

const std::string kBoth = "direction=\"bidirectional\"";
const std::string kBack = "direction=\"reverse\"";

const std::vector<Layer> kLayers = {
    {"lstm", "LSTM", 5, 2, 3, 4, 1, ""},
    {"lstm_one_step", "LSTM", 1, 1, 16, 32, 1, "", true, false, true},
    {"lstm_reverse", "LSTM", 5, 3, 3, 7, 1, kBack},
    {"lstm_bidirectional", "LSTM", 6, 3, 9, 17, 2, kBoth, true, false, true, true},
    {"lstm_batch_first", "LSTM", 6, 3, 9, 17, 2, kBoth + ", layout=1", true, false, true},
    {"lstm_lengths", "LSTM", 2, 5, 4, 8, 2, kBoth, true, true, true, true},
    {"lstm_clip_coupled", "LSTM", 4, 2, 5, 6, 1, "clip=0.4, input_forget=1"},
    {"lstm_without_bias", "LSTM", 4, 9, 5, 6, 1, "", false},
    {"lstm_named_activations", "LSTM", 3, 2, 5, 6, 1,
     "activations=[\"Sigmoid\", \"tanh\", \"Tanh\"]"},
    {"lstm_no_steps", "LSTM", 0, 2, 3, 4, 1, "", true, false, true},
    {"lstm_no_batch", "LSTM", 3, 0, 3, 4, 1, ""},
    {"lstm_large", "LSTM", 3, 17, 20, 90, 1, ""},
    {"gru", "GRU", 5, 2, 3, 4, 1, ""},
    {"gru_linear", "GRU", 5, 2, 3, 4, 1, "linear_before_reset=1"},
    {"gru_bidirectional", "GRU", 6, 5, 9, 17, 2, kBoth, true, false, true},
    {"gru_linear_bidirectional", "GRU", 6, 5, 9, 17, 2, kBoth + ", linear_before_reset=1", true,
     false, true},
    {"gru_lengths", "GRU", 2, 5, 4, 8, 1, kBack + ", linear_before_reset=1", true, true, true},
    {"gru_clip_batch_first", "GRU", 4, 12, 5, 6, 1, "clip=0.4, layout=1"},
    {"gru_without_bias", "GRU", 4, 3, 5, 6, 1, "linear_before_reset=1", false},
    {"rnn", "RNN", 5, 2, 3, 4, 1, ""},
    {"rnn_relu", "RNN", 5, 2, 3, 4, 2, kBoth + ", activations=[\"Relu\", \"Relu\"]"},
    {"rnn_lengths", "RNN", 2, 5, 4, 18, 2, kBoth, true, true, true},
};

std::vector<StepCase> layer_cases() {
  std::vector<StepCase> cases;
  for (const Layer& l : kLayers) cases.push_back(layer_case(l));
  // What the kernel lacks goes to the portable one.
  StepCase other = layer_case({"lstm_other_activations", "LSTM", 3, 2, 5, 6, 1,
                               "activations=[\"HardSigmoid\", \"Tanh\", \"Relu\"]"});
  other.kernels = {"ref"};
  cases.push_back(other);
  return cases;
}

class RecurrentSteps : public ::testing::TestWithParam<StepCase> {};
TEST_P(RecurrentSteps, AgreeWithReference) { check_steps(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Table, RecurrentSteps, ::testing::ValuesIn(layer_cases()), step_case_name);

}  // namespace
}  // namespace planish::test
