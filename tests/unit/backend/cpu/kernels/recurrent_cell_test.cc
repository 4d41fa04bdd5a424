// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/recurrent_cell.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "unit/backend/cpu/kernels/kernel_support.h"

namespace planish::cpu {
namespace {

using testing::Guarded;
using testing::isas_here;
using testing::Random;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double cut(double x, double clip) { return clip == 0 ? x : std::clamp(x, -clip, clip); }

void fill(Guarded<float>& data, uint64_t seed) {
  Random random(seed);
  for (float& x : data) x = random.real(-3, 3);
}

void check_lstm(Isa isa, int64_t rows, int64_t n, bool extras, float clip, bool input_forget) {
  ThreadPool pool(2);
  Guarded<float> gates(rows * 4 * n), recurrent(rows * 4 * n), bias(4 * n), peephole(3 * n),
      before(rows * n), c(rows * n), h(rows * n);
  fill(gates, 1);
  fill(recurrent, 2);
  fill(bias, 3);
  fill(peephole, 4);
  fill(before, 5);
  LstmCellParams p;
  p.isa = isa;
  p.gates = gates.data();
  p.gates_stride = 4 * n;
  if (extras) {
    p.recurrent = recurrent.data();
    p.recurrent_stride = 4 * n;
    p.bias = bias.data();
    p.peephole = peephole.data();
  }
  p.c_previous = before.data();
  p.c = c.data();
  p.h = h.data();
  p.h_stride = n;
  p.rows = rows;
  p.hidden = n;
  p.clip = clip;
  p.input_forget = input_forget;
  run_lstm_cell(p, pool);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < n; ++j) {
      const auto gate = [&](int64_t k) {
        double v = gates[(r * 4 + k) * n + j];
        if (extras) v += static_cast<double>(recurrent[(r * 4 + k) * n + j]) + bias[k * n + j];
        return v;
      };
      const auto peep = [&](int64_t k) { return extras ? peephole[k * n + j] : 0.0; };
      const double c0 = before[r * n + j];
      const double i = sigmoid(cut(gate(0) + peep(0) * c0, clip));
      const double f = input_forget ? 1 - i : sigmoid(cut(gate(2) + peep(2) * c0, clip));
      const double c1 = f * c0 + i * std::tanh(cut(gate(3), clip));
      const double o = sigmoid(cut(gate(1) + peep(1) * c1, clip));
      ASSERT_NEAR(c[r * n + j], c1, 3e-6) << isa_name(isa);
      ASSERT_NEAR(h[r * n + j], o * std::tanh(c1), 3e-6) << isa_name(isa);
    }
  }
}

TEST(LstmCell, AgainstDoubles) {
  for (Isa isa : isas_here()) {
    for (int64_t n : {1, 5, 16, 31, 128}) {
      check_lstm(isa, 3, n, false, 0, false);
      check_lstm(isa, 70, n, true, 0, false);
      check_lstm(isa, 2, n, true, 1.5f, true);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(GruCell, AgainstDoubles) {
  for (Isa isa : isas_here()) {
    ThreadPool pool(2);
    for (int64_t n : {1, 5, 16, 31, 128}) {
      for (float clip : {0.0f, 0.75f}) {
        const int64_t rows = 5;
        Guarded<float> x(rows * 3 * n), recurrent(rows * 3 * n), candidate(rows * n),
            before(rows * n), out(rows * n);
        fill(x, 1);
        fill(recurrent, 2);
        fill(candidate, 3);
        fill(before, 4);
        for (GruStage stage : {GruStage::kWhole, GruStage::kReset, GruStage::kFinish}) {
          GruCellParams p;
          p.isa = isa;
          p.stage = stage;
          p.x = x.data();
          p.recurrent = recurrent.data();
          p.x_stride = p.recurrent_stride = 3 * n;
          p.candidate = candidate.data();
          p.h_previous = before.data();
          p.out = out.data();
          p.out_stride = n;
          p.rows = rows;
          p.hidden = n;
          p.clip = clip;
          run_gru_cell(p, pool);
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t j = 0; j < n; ++j) {
              const auto of = [&](const Guarded<float>& data, int64_t k) -> double {
                return data[(r * 3 + k) * n + j];
              };
              const double h = before[r * n + j];
              const double z = sigmoid(cut(of(x, 0) + of(recurrent, 0), clip));
              const double reset = sigmoid(cut(of(x, 1) + of(recurrent, 1), clip));
              double want = reset * h;
              if (stage != GruStage::kReset) {
                const double inner = stage == GruStage::kWhole ? of(x, 2) + reset * of(recurrent, 2)
                                                               : of(x, 2) + candidate[r * n + j];
                want = (1 - z) * std::tanh(cut(inner, clip)) + z * h;
              }
              ASSERT_NEAR(out[r * n + j], want, 3e-6) << isa_name(isa);
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace planish::cpu
