// SPDX-License-Identifier: Apache-2.0
// What the steps of optimisers (Adam, Adagrad, Momentum) share. Inputs: the learning rate, the
// number of the step, then groups of tensors: values, gradients, states. Outputs: new values, new
// states.
#pragma once

#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "tensor/elements.h"

namespace planish {

inline bool is_optimizer_dtype(DType t) { return t == DType::kF32 || t == DType::kF64; }

// `states`: groups of states.
inline void infer_optimizer(InferContext& c, int states) {
  const int groups = 2 + states;
  check_tensor(c, 0, is_optimizer_dtype, "float32 or float64");
  check_tensor(c, 1, is_i64, "int64");
  check_single(c, 0);
  check_single(c, 1);
  const int tensors = (c.input_count() - 2) / groups;
  if (tensors * groups + 2 != c.input_count() || c.output_count() > tensors * (1 + states))
    c.fail(concat("expected ", groups, " inputs and ", 1 + states, " outputs for each tensor, got ",
                  c.input_count() - 2, " and ", c.output_count()),
           ErrorCode::kInvalidModel);
  for (int k = 0; k < tensors; ++k)
    for (int g = 0; g < groups; ++g) {
      const int i = 2 + g * tensors + k;
      check_tensor(c, i, is_optimizer_dtype, "float32 or float64");
      if (g > 0 && c.has_rank(2 + k)) check_shape(c, i, c.shape(2 + k));
      if (g != 1) c.set_output((g == 0 ? 0 : g - 1) * tensors + k, c.input(i));
    }
}

// step(value, gradient, states) rewrites the value and the states of one element.
template <class F>
void run_optimizer(KernelContext& c, int states, F&& step) {
  const int tensors = (c.input_count() - 2) / (2 + states);
  for (int k = 0; k < tensors; ++k) {
    std::vector<double> value = load<double>(c.input(2 + k));
    const std::vector<double> gradient = load<double>(c.input(2 + tensors + k));
    std::vector<std::vector<double>> state;
    for (int s = 0; s < states; ++s)
      state.push_back(load<double>(c.input(2 + (2 + s) * tensors + k)));
    std::vector<double> own(static_cast<size_t>(states));
    for (size_t i = 0; i < value.size(); ++i) {
      for (size_t s = 0; s < state.size(); ++s) own[s] = state[s][i];
      step(value[i], gradient[i], own.data());
      for (size_t s = 0; s < state.size(); ++s) state[s][i] = own[s];
    }
    if (c.wants_output(k)) store(c.output(k), value);
    for (int s = 0; s < states; ++s)
      if (c.wants_output((1 + s) * tensors + k))
        store(c.output((1 + s) * tensors + k), state[static_cast<size_t>(s)]);
  }
}

}  // namespace planish
