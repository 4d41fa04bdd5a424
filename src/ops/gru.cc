// SPDX-License-Identifier: Apache-2.0
// GRU: gates in the order z, r, h.  https://onnx.ai/onnx/operators/onnx__GRU.html
#include "ops/product.h"
#include "ops/recurrent.h"

namespace planish {
namespace {

const RecurrentForm& gru_form() {
  static const RecurrentForm form{.gates = 3, .functions = {"Sigmoid", "Tanh"}, .has_cell = false};
  return form;
}

void infer_gru(InferContext& c) { infer_recurrent(c, gru_form()); }

// The reset gate acts on the state before its product with R or, if linear_before_reset, after it.
void step_gru(const RecurrentDirection& d, const std::vector<double>& x, RecurrentState& state,
              bool linear_before_reset) {
  const int64_t h = d.hidden, rows = 3 * h;
  std::vector<double> product(x.size()), update(state.hidden.size()), reset(update),
      proposal(x.size());
  matrix_product(d.batch, rows, h, state.hidden.data(), d.recurrence.data(), product.data());
  auto row = [&](int64_t gate, int64_t j) { return static_cast<size_t>(gate * h + j); };
  for (int64_t b = 0; b < d.batch; ++b)
    for (int64_t j = 0; j < h; ++j) {
      auto gate = [&](int64_t which) {
        const size_t r = row(which, j), at = static_cast<size_t>(b * rows) + r;
        return d.activate(0, x[at] + product[at] + d.input_bias[r] + d.hidden_bias[r]);
      };
      update[static_cast<size_t>(b * h + j)] = gate(0);
      reset[static_cast<size_t>(b * h + j)] = gate(1);
    }
  if (!linear_before_reset) {
    std::vector<double> masked(state.hidden);
    for (size_t i = 0; i < masked.size(); ++i) masked[i] *= reset[i];
    matrix_product(d.batch, rows, h, masked.data(), d.recurrence.data(), proposal.data());
  }
  for (int64_t b = 0; b < d.batch; ++b)
    for (int64_t j = 0; j < h; ++j) {
      const size_t r = row(2, j), at = static_cast<size_t>(b * rows) + r;
      const auto own = static_cast<size_t>(b * h + j);
      const double recurrent = linear_before_reset ? reset[own] * (product[at] + d.hidden_bias[r])
                                                   : proposal[at] + d.hidden_bias[r];
      const double next = d.activate(1, x[at] + d.input_bias[r] + recurrent);
      state.hidden[own] = (1 - update[own]) * next + update[own] * state.hidden[own];
    }
}

void run_gru(KernelContext& c) {
  const bool linear_before_reset = c.attributes().integer("linear_before_reset", 0) != 0;
  run_recurrent(c, gru_form(),
                [&](const RecurrentDirection& d, const std::vector<double>& x,
                    RecurrentState& state) { step_gru(d, x, state, linear_before_reset); });
}

const RegisterOp kGru({.name = "GRU",
                       .attributes = recurrent_attributes({optional("linear_before_reset",
                                                                    AttrKind::kInt)}),
                       .inputs = {3, 6},
                       .outputs = {0, 2},
                       .infer = infer_gru,
                       .run = run_gru,
                       .tolerance = {1e-4},
                       .source = "https://onnx.ai/onnx/operators/onnx__GRU.html"});

}  // namespace
}  // namespace planish
