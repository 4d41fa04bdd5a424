// SPDX-License-Identifier: Apache-2.0
// The form of a recurrent step, shared by who packs its weights and who runs it.
#pragma once

#include <string_view>

#include "backend/cpu/kernels/recurrent.h"
#include "tensor/attributes.h"

namespace planish::cpu {

// Whether `op` is one of LSTM, GRU (linear: with linear_before_reset), RNN.
bool find_recurrent_kind(std::string_view op, bool linear, RecurrentKind* kind);

// All but steps, batch and pointers. Attributes inputs, hidden, directions, reversed, batch_first,
// clip, input_forget, linear, relu. Throws kInvalidPlan.
Recurrent recurrent_geometry(std::string_view op, const Attributes& attributes);

}  // namespace planish::cpu
