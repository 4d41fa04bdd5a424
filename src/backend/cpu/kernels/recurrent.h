// SPDX-License-Identifier: Apache-2.0
// LSTM, GRU and RNN layers of f32: the products of all inputs at once, then the walk over time.
//
// Sequences do not meet: parts of a batch, and the two directions, walk at the same time on
// different threads, without a barrier at each step. Where sequences have lengths of their own,
// every one is a part.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/epilogue.h"
#include "backend/cpu/kernels/isa.h"

namespace planish {
class ThreadPool;
}

namespace planish::cpu {

enum class RecurrentKind : uint8_t {
  kLstm,       // gates i, o, f, c
  kGru,        // gates z, r, h; the reset gate acts on the state
  kGruLinear,  // the reset gate acts on the state's product (linear_before_reset)
  kRnn,        // one gate
};

struct Recurrent {
  RecurrentKind kind = RecurrentKind::kLstm;
  int64_t steps = 0, batch = 0, inputs = 0, hidden = 1;
  int directions = 1;           // 1 or 2; the second walks backwards
  bool first_reversed = false;  // so does the first
  bool batch_first = false;     // x [batch, steps, inputs] and so on, not [steps, batch, inputs]
  float clip = 0;               // of what goes into an activation, unless 0; not for kRnn
  bool input_forget = false;    // kLstm: the forget gate is 1 - i
  Activation activation = Activation::tanh;  // kRnn: tanh, or clip with p = 0, q = infinity
  float p = 0, q = 0;

  const float* x = nullptr;
  const float* input_weights = nullptr;  // packed, one direction after the other
  const float* state_weights = nullptr;
  const float* input_bias = nullptr;  // [directions, gates * hidden]
  const float* state_bias = nullptr;  // kGruLinear: the same, for the state's product; or null
  const float* peepholes = nullptr;   // kLstm: [directions, 3 * hidden]: i, o, f; or null
  const int32_t* lengths = nullptr;   // [batch], from 0 to steps; or null: all have `steps`
  const float* initial_h = nullptr;   // [directions, batch, hidden] (batch_first: batch is first)
  const float* initial_c = nullptr;   // or null: zeros

  // Any may be null.
  float* y = nullptr;  // [steps, directions, batch, hidden] or [batch, steps, directions, ...]
  float* final_h = nullptr;  // as initial_h
  float* final_c = nullptr;
};

int64_t recurrent_gates(RecurrentKind kind);

// Of one direction, in floats. Weights are ONNX's W [gates * hidden, inputs] and R [gates * hidden,
// hidden]. Throw planish::Error if the size does not fit.
int64_t recurrent_packed_inputs(Isa isa, const Recurrent& r);
int64_t recurrent_packed_state(Isa isa, const Recurrent& r);
void recurrent_pack_inputs(Isa isa, const Recurrent& r, const float* weights, float* packed);
void recurrent_pack_state(Isa isa, const Recurrent& r, const float* weights, float* packed);

// Bytes of scratch memory, aligned to 64.
int64_t recurrent_scratch_bytes(const Recurrent& r);
void run_recurrent(Isa isa, const Recurrent& r, void* scratch, ThreadPool& pool);

}  // namespace planish::cpu
