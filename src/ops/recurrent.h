// SPDX-License-Identifier: Apache-2.0
// What the recurrent layers (LSTM, GRU, RNN) share: inputs, shapes, activation functions, the walk
// over time. An op gives the number of its gates and one step.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ops/op.h"

namespace planish {

struct RecurrentForm {
  int gates;                           // rows of W and R, over the hidden size
  std::vector<std::string> functions;  // default activations of one direction
  bool has_cell;                       // inputs initial_c and P, output Y_c
};

struct Activation {
  double (*apply)(double x, double alpha, double beta);
  double alpha;
  double beta;
};

// One direction of the layer at work.
struct RecurrentDirection {
  int64_t batch;
  int64_t hidden;
  double clip;  // infinity: none
  std::span<const Activation> activations;
  std::vector<double> recurrence;   // [hidden][gates * hidden], R transposed
  std::vector<double> input_bias;   // [gates * hidden]
  std::vector<double> hidden_bias;  // [gates * hidden]
  std::vector<double> peepholes;    // [3 * hidden]: i, o, f; zeros where absent

  double activate(int which, double x) const;
};

// The state of every sequence of the batch: [batch][hidden].
struct RecurrentState {
  std::vector<double> hidden;
  std::vector<double> cell;
};

// Advances `state` by one step; `x` is X_t * W^T, [batch][gates * hidden], without biases.
using RecurrentStep = std::function<void(const RecurrentDirection& d, const std::vector<double>& x,
                                         RecurrentState& state)>;

std::vector<AttributeSpec> recurrent_attributes(std::vector<AttributeSpec> more);
void infer_recurrent(InferContext& c, const RecurrentForm& form);
void run_recurrent(KernelContext& c, const RecurrentForm& form, const RecurrentStep& step);

}  // namespace planish
