// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/recurrent_cell.h"

#include "backend/cpu/kernels/math.h"

namespace planish::cpu::PLANISH_ISA {

namespace {

PLANISH_INLINE Vec cut(Vec x, float clip) {
  return clip == 0 ? x : clamp(x, Vec::broadcast(-clip), Vec::broadcast(clip));
}

void lstm_row(const LstmCellParams& p, int64_t row) {
  const int64_t n = p.hidden;
  const float* gates = p.gates + row * p.gates_stride;
  const float* recurrent =
      p.recurrent == nullptr ? nullptr : p.recurrent + row * p.recurrent_stride;
  const float* c_previous = p.c_previous + row * n;
  float* c_out = p.c + row * n;
  float* h_out = p.h + row * p.h_stride;
  for (int64_t j = 0; j < n; j += kLanes) {
    const int64_t left = n - j;
    const auto gate = [&](int which) __attribute__((always_inline)) {
      Vec v = load_up_to(gates + which * n + j, left);
      if (recurrent != nullptr) v = v + load_up_to(recurrent + which * n + j, left);
      if (p.bias != nullptr) v = v + load_up_to(p.bias + which * n + j, left);
      return v;
    };
    const auto peep = [&](int which, Vec v, Vec state) __attribute__((always_inline)) {
      if (p.peephole == nullptr) return v;
      return fma(load_up_to(p.peephole + which * n + j, left), state, v);
    };
    const Vec before = load_up_to(c_previous + j, left);
    const Vec i = sigmoid(cut(peep(0, gate(0), before), p.clip));
    const Vec f =
        p.input_forget ? Vec::broadcast(1.0f) - i : sigmoid(cut(peep(2, gate(2), before), p.clip));
    const Vec g = tanh(cut(gate(3), p.clip));
    const Vec c = fma(f, before, i * g);
    const Vec o = sigmoid(cut(peep(1, gate(1), c), p.clip));
    store_up_to(c, c_out + j, left);
    store_up_to(o * tanh(c), h_out + j, left);
  }
}

void gru_row(const GruCellParams& p, int64_t row) {
  const int64_t n = p.hidden;
  const float* x = p.x + row * p.x_stride;
  const float* recurrent = p.recurrent + row * p.recurrent_stride;
  const float* before = p.h_previous + row * n;
  float* out = p.out + row * p.out_stride;
  for (int64_t j = 0; j < n; j += kLanes) {
    const int64_t left = n - j;
    const auto gate = [&](int which) __attribute__((always_inline)) {
      const Vec v =
          load_up_to(x + which * n + j, left) + load_up_to(recurrent + which * n + j, left);
      return sigmoid(cut(v, p.clip));
    };
    const Vec h = load_up_to(before + j, left);
    if (p.stage == GruStage::kReset) {
      store_up_to(gate(1) * h, out + j, left);
      continue;
    }
    const Vec z = gate(0);
    Vec inner = load_up_to(x + 2 * n + j, left);
    if (p.stage == GruStage::kWhole) {
      inner = fma(gate(1), load_up_to(recurrent + 2 * n + j, left), inner);
    } else {
      inner = inner + load_up_to(p.candidate + row * n + j, left);
    }
    const Vec candidate = tanh(cut(inner, p.clip));
    store_up_to(fma(z, h - candidate, candidate), out + j, left);
  }
}

}  // namespace

extern const RecurrentCellTable kRecurrentCell;
constinit const RecurrentCellTable kRecurrentCell = {lstm_row, gru_row};

}  // namespace planish::cpu::PLANISH_ISA
