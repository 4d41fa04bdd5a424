// SPDX-License-Identifier: Apache-2.0
// LSTM: gates in the order i, o, f, c.  https://onnx.ai/onnx/operators/onnx__LSTM.html
#include "ops/product.h"
#include "ops/recurrent.h"

namespace planish {
namespace {

const RecurrentForm& lstm_form() {
  static const RecurrentForm form{
      .gates = 4, .functions = {"Sigmoid", "Tanh", "Tanh"}, .has_cell = true};
  return form;
}

void infer_lstm(InferContext& c) { infer_recurrent(c, lstm_form()); }

void run_lstm(KernelContext& c) {
  const bool couples = c.attributes().integer("input_forget", 0) != 0;
  run_recurrent(
      c, lstm_form(),
      [&](const RecurrentDirection& d, const std::vector<double>& x, RecurrentState& state) {
        const int64_t h = d.hidden, rows = 4 * h;
        std::vector<double> gates(x.size());
        matrix_product(d.batch, rows, h, state.hidden.data(), d.recurrence.data(), gates.data());
        for (int64_t b = 0; b < d.batch; ++b)
          for (int64_t j = 0; j < h; ++j) {
            auto gate = [&](int64_t which) {
              const auto row = static_cast<size_t>(which * h + j);
              const size_t at = static_cast<size_t>(b * rows) + row;
              return x[at] + gates[at] + d.input_bias[row] + d.hidden_bias[row];
            };
            auto peephole = [&](int64_t which) {
              return d.peepholes[static_cast<size_t>(which * h + j)];
            };
            double& cell = state.cell[static_cast<size_t>(b * h + j)];
            const double in = d.activate(0, gate(0) + peephole(0) * cell);
            const double forget = couples ? 1 - in : d.activate(0, gate(2) + peephole(2) * cell);
            cell = forget * cell + in * d.activate(1, gate(3));
            const double out = d.activate(0, gate(1) + peephole(1) * cell);
            state.hidden[static_cast<size_t>(b * h + j)] =
                out * d.activations[2].apply(cell, d.activations[2].alpha, d.activations[2].beta);
          }
      });
}

const RegisterOp kLstm({.name = "LSTM",
                        .attributes = recurrent_attributes({optional("input_forget",
                                                                     AttrKind::kInt)}),
                        .inputs = {3, 8},
                        .outputs = {0, 3},
                        .infer = infer_lstm,
                        .run = run_lstm,
                        .tolerance = {1e-4},
                        .source = "https://onnx.ai/onnx/operators/onnx__LSTM.html"});

}  // namespace
}  // namespace planish
