// SPDX-License-Identifier: Apache-2.0
// The pointwise part of one step of LSTM and GRU, after the matrix products, with ONNX's gate
// orders and default activations.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/isa.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {

// Gates i, o, f, c, each `hidden` wide:
//   c' = sigmoid(f + pf c) c + sigmoid(i + pi c) tanh(g);  h' = sigmoid(o + po c') tanh(c')
struct LstmCellParams {
  const float* gates = nullptr;  // [rows, 4 hidden], rows gates_stride apart
  int64_t gates_stride = 0;
  const float* recurrent = nullptr;  // the same, added to gates; null: 0
  int64_t recurrent_stride = 0;
  const float* bias = nullptr;        // [4 hidden], added to gates; null: 0
  const float* peephole = nullptr;    // [3 hidden]: pi, po, pf; null: 0
  const float* c_previous = nullptr;  // [rows, hidden]
  float* c = nullptr;                 // [rows, hidden]; may be c_previous
  float* h = nullptr;                 // [rows, hidden], rows h_stride apart
  int64_t h_stride = 0;
  int64_t rows = 1;
  int64_t hidden = 1;
  float clip = 0;             // gates are cut to [-clip, clip] unless 0
  bool input_forget = false;  // the forget gate is 1 - i
  Isa isa = best_isa();
};

void run_lstm_cell(const LstmCellParams& params, ThreadPool& pool);

// Gates z, r, n, each `hidden` wide; x from the input, h from the state, biases included:
//   kWhole (linear_before_reset): h' = (1 - z) tanh(xn + r hn) + z h
// Without linear_before_reset the candidate needs a product of its own in between:
//   kReset: writes r h for that product;  kFinish: h' = (1 - z) tanh(xn + candidate) + z h
enum class GruStage : uint8_t { kWhole, kReset, kFinish };

struct GruCellParams {
  GruStage stage = GruStage::kWhole;
  const float* x = nullptr;  // [rows, 3 hidden], rows x_stride apart
  int64_t x_stride = 0;
  const float* recurrent = nullptr;  // [rows, 3 hidden] (kReset, kFinish: z and r are read)
  int64_t recurrent_stride = 0;
  const float* candidate = nullptr;   // kFinish: [rows, hidden], dense
  const float* h_previous = nullptr;  // [rows, hidden], dense
  float* out = nullptr;               // [rows, hidden], rows out_stride apart; may be h_previous
  int64_t out_stride = 0;
  int64_t rows = 1;
  int64_t hidden = 1;
  float clip = 0;  // gates before their activation are cut to [-clip, clip] unless 0
  Isa isa = best_isa();
};

void run_gru_cell(const GruCellParams& params, ThreadPool& pool);

// By instruction set.

struct RecurrentCellTable {
  void (*lstm_row)(const LstmCellParams& params, int64_t row);
  void (*gru_row)(const GruCellParams& params, int64_t row);
};

namespace plain {
extern const RecurrentCellTable kRecurrentCell;
}
namespace avx2 {
extern const RecurrentCellTable kRecurrentCell;
}
namespace avx512 {
extern const RecurrentCellTable kRecurrentCell;
}

inline const RecurrentCellTable& recurrent_cell_table(Isa isa) {
  return by_isa(isa, plain::kRecurrentCell, avx2::kRecurrentCell, avx512::kRecurrentCell);
}

}  // namespace planish::cpu
