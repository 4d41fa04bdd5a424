// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/recurrent_cell.h"

#include <algorithm>

namespace planish::cpu {

namespace {

// Hidden elements worth a task: each costs some hundred instructions.
constexpr int64_t kTaskElements = 2048;

template <class F>
void for_rows(int64_t rows, int64_t hidden, ThreadPool& pool, F&& f) {
  if (rows <= 0 || hidden <= 0) return;
  const int64_t tasks = std::clamp<int64_t>(rows * hidden / kTaskElements, 1,
                                            std::min<int64_t>(rows, 2 * pool.threads()));
  if (tasks == 1) {
    for (int64_t row = 0; row < rows; ++row) f(row);
    return;
  }
  pool.parallel_for(tasks, [&](int64_t task) {
    for (int64_t row = rows * task / tasks; row < rows * (task + 1) / tasks; ++row) f(row);
  });
}

}  // namespace

void run_lstm_cell(const LstmCellParams& params, ThreadPool& pool) {
  const RecurrentCellTable& table = recurrent_cell_table(params.isa);
  for_rows(params.rows, params.hidden, pool, [&](int64_t row) { table.lstm_row(params, row); });
}

void run_gru_cell(const GruCellParams& params, ThreadPool& pool) {
  const RecurrentCellTable& table = recurrent_cell_table(params.isa);
  for_rows(params.rows, params.hidden, pool, [&](int64_t row) { table.gru_row(params, row); });
}

}  // namespace planish::cpu
