// SPDX-License-Identifier: Apache-2.0
// RNN: one gate.  https://onnx.ai/onnx/operators/onnx__RNN.html
#include "ops/product.h"
#include "ops/recurrent.h"

namespace planish {
namespace {

const RecurrentForm& rnn_form() {
  static const RecurrentForm form{.gates = 1, .functions = {"Tanh"}, .has_cell = false};
  return form;
}

void infer_rnn(InferContext& c) { infer_recurrent(c, rnn_form()); }

void run_rnn(KernelContext& c) {
  run_recurrent(
      c, rnn_form(),
      [](const RecurrentDirection& d, const std::vector<double>& x, RecurrentState& state) {
        std::vector<double> product(x.size());
        matrix_product(d.batch, d.hidden, d.hidden, state.hidden.data(), d.recurrence.data(),
                       product.data());
        for (size_t i = 0; i < x.size(); ++i) {
          const size_t j = i % static_cast<size_t>(d.hidden);
          state.hidden[i] = d.activate(0, x[i] + product[i] + d.input_bias[j] + d.hidden_bias[j]);
        }
      });
}

const RegisterOp kRnn({.name = "RNN",
                       .attributes = recurrent_attributes({}),
                       .inputs = {3, 6},
                       .outputs = {0, 2},
                       .infer = infer_rnn,
                       .run = run_rnn,
                       .tolerance = {1e-4},
                       .source = "https://onnx.ai/onnx/operators/onnx__RNN.html"});

}  // namespace
}  // namespace planish
