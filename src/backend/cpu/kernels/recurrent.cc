// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/recurrent.h"

#include <algorithm>

#include "backend/cpu/kernels/gemm.h"
#include "backend/cpu/kernels/partition.h"
#include "backend/cpu/kernels/recurrent_cell.h"
#include "base/checked.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {
namespace {

constexpr const char* kScratch = "scratch memory of a recurrent layer";
constexpr int64_t kLineFloats = 16;
// Sequences that walk together at least: they share the reads of the weights.
constexpr int64_t kPartRows = 4;

int64_t gate_floats(const Recurrent& r) { return recurrent_gates(r.kind) * r.hidden; }

// Memory of one direction, in floats: products of the inputs, then what changes from step to step.
struct Areas {
  int64_t products, gates, candidate, h, c, total;
  explicit Areas(const Recurrent& r) {
    const int64_t rows = checked_mul(r.steps, r.batch, kScratch);
    const auto whole = [](int64_t n) {
      return round_up(checked_add(n, kLineFloats, kScratch), kLineFloats);
    };
    const int64_t state = whole(checked_mul(r.batch, r.hidden, kScratch));
    products = 0;
    gates = whole(checked_mul(rows, gate_floats(r), kScratch));
    candidate = checked_add(gates, whole(checked_mul(r.batch, gate_floats(r), kScratch)), kScratch);
    h = checked_add(candidate, state, kScratch);
    c = checked_add(h, state, kScratch);
    total = checked_add(c, state, kScratch);
  }
};

// Some sequences of one direction.
class Walk {
 public:
  Walk(Isa isa, const Recurrent& r, int direction, int64_t first, int64_t last, float* memory,
       ThreadPool& pool)
      : isa_(isa), r_(r), d_(direction), first_(first), rows_(last - first), pool_(pool) {
    const Areas areas(r);
    products_ = memory + areas.products;
    gates_ = memory + areas.gates + first * gate_floats(r);
    candidate_ = memory + areas.candidate + first * r.hidden;
    h_ = memory + areas.h + first * r.hidden;
    c_ = memory + areas.c + first * r.hidden;
    weights_ = r.state_weights + d_ * recurrent_packed_state(isa, r);
  }

  void run() const {
    const int64_t length = r_.lengths == nullptr ? r_.steps : r_.lengths[first_];
    const bool reversed = d_ == 1 || r_.first_reversed;
    load_state(r_.initial_h, h_);
    if (r_.kind == RecurrentKind::kLstm) load_state(r_.initial_c, c_);
    for (int64_t s = 0; s < length; ++s) {
      const int64_t t = reversed ? length - 1 - s : s;
      step(t);
      for (int64_t i = 0; r_.y != nullptr && i < rows_; ++i)
        std::copy_n(h_ + i * r_.hidden, r_.hidden, y_row(t, i));
    }
    for (int64_t t = length; r_.y != nullptr && t < r_.steps; ++t)
      for (int64_t i = 0; i < rows_; ++i) std::fill_n(y_row(t, i), r_.hidden, 0.0F);
    store_state(h_, r_.final_h);
    if (r_.kind == RecurrentKind::kLstm) store_state(c_, r_.final_c);
  }

 private:
  int64_t state_row(int64_t i) const {
    const int64_t b = first_ + i;
    return (r_.batch_first ? b * r_.directions + d_ : d_ * r_.batch + b) * r_.hidden;
  }
  float* y_row(int64_t t, int64_t i) const {
    const int64_t b = first_ + i;
    const int64_t row = r_.batch_first ? (b * r_.steps + t) * r_.directions + d_
                                       : (t * r_.directions + d_) * r_.batch + b;
    return r_.y + row * r_.hidden;
  }
  void load_state(const float* from, float* state) const {
    for (int64_t i = 0; i < rows_; ++i) {
      if (from == nullptr)
        std::fill_n(state + i * r_.hidden, r_.hidden, 0.0F);
      else
        std::copy_n(from + state_row(i), r_.hidden, state + i * r_.hidden);
    }
  }
  void store_state(const float* state, float* to) const {
    for (int64_t i = 0; to != nullptr && i < rows_; ++i)
      std::copy_n(state + i * r_.hidden, r_.hidden, to + state_row(i));
  }

  // The products of the inputs at time t: the first sequence's row, and the way to the next's.
  const float* inputs_at(int64_t t) const {
    const int64_t row = r_.batch_first ? first_ * r_.steps + t : t * r_.batch + first_;
    return products_ + row * gate_floats(r_);
  }
  int64_t inputs_stride() const { return gate_floats(r_) * (r_.batch_first ? r_.steps : 1); }

  // out [rows, n] = a [rows, hidden] times packed weights.
  Gemm product(const float* a, const float* weights, int64_t n, float* out) const {
    Gemm g{.m = rows_, .n = n, .k = r_.hidden};
    g.a = a;
    g.a_row = r_.hidden;
    g.b = weights;
    g.b_packed = true;
    g.c = out;
    g.c_row = n;
    return g;
  }

  void step(int64_t t) const {
    switch (r_.kind) {
      case RecurrentKind::kLstm: return step_lstm(t);
      case RecurrentKind::kRnn: return step_rnn(t);
      case RecurrentKind::kGru:
      case RecurrentKind::kGruLinear: return step_gru(t);
    }
  }

  void step_lstm(int64_t t) const {
    Gemm g = product(h_, weights_, 4 * r_.hidden, gates_);
    g.epilogue.residual = inputs_at(t);
    g.epilogue.residual_row = inputs_stride();
    gemm(isa_, g, nullptr, pool_);
    LstmCellParams cell;
    cell.gates = gates_;
    cell.gates_stride = 4 * r_.hidden;
    cell.peephole = r_.peepholes == nullptr ? nullptr : r_.peepholes + d_ * 3 * r_.hidden;
    cell.c_previous = c_;
    cell.c = c_;
    cell.h = h_;
    cell.h_stride = r_.hidden;
    cell.rows = rows_;
    cell.hidden = r_.hidden;
    cell.clip = r_.clip;
    cell.input_forget = r_.input_forget;
    cell.isa = isa_;
    run_lstm_cell(cell, pool_);
  }

  void step_rnn(int64_t t) const {
    Gemm g = product(h_, weights_, r_.hidden, gates_);
    g.epilogue.residual = inputs_at(t);
    g.epilogue.residual_row = inputs_stride();
    g.epilogue.activation = r_.activation;
    g.epilogue.p = r_.p;
    g.epilogue.q = r_.q;
    gemm(isa_, g, nullptr, pool_);
    std::copy_n(gates_, rows_ * r_.hidden, h_);
  }

  void step_gru(int64_t t) const {
    const bool linear = r_.kind == RecurrentKind::kGruLinear;
    const int64_t n = (linear ? 3 : 2) * r_.hidden;
    Gemm g = product(h_, weights_, n, gates_);
    if (linear && r_.state_bias != nullptr) g.epilogue.bias = r_.state_bias + d_ * 3 * r_.hidden;
    gemm(isa_, g, nullptr, pool_);
    GruCellParams cell;
    cell.x = inputs_at(t);
    cell.x_stride = inputs_stride();
    cell.recurrent = gates_;
    cell.recurrent_stride = n;
    cell.h_previous = h_;
    cell.out_stride = r_.hidden;
    cell.rows = rows_;
    cell.hidden = r_.hidden;
    cell.clip = r_.clip;
    cell.isa = isa_;
    cell.out = h_;
    if (linear) return run_gru_cell(cell, pool_);
    // The masked state's place is free again before the candidate's: one holds both in turn.
    float* masked = candidate_;
    cell.stage = GruStage::kReset;
    cell.out = masked;
    run_gru_cell(cell, pool_);
    float* candidate = c_;
    gemm(isa_,
         product(masked, weights_ + gemm_packed_floats(isa_, r_.hidden, n), r_.hidden, candidate),
         nullptr, pool_);
    cell.stage = GruStage::kFinish;
    cell.candidate = candidate;
    cell.out = h_;
    run_gru_cell(cell, pool_);
  }

  const Isa isa_;
  const Recurrent& r_;
  const int d_;
  const int64_t first_, rows_;
  ThreadPool& pool_;
  const float* products_;
  const float* weights_;
  float *gates_, *candidate_, *h_, *c_;
};

}  // namespace

int64_t recurrent_gates(RecurrentKind kind) {
  switch (kind) {
    case RecurrentKind::kLstm: return 4;
    case RecurrentKind::kRnn: return 1;
    default: return 3;
  }
}

int64_t recurrent_packed_inputs(Isa isa, const Recurrent& r) {
  return gemm_packed_floats(isa, r.inputs, gate_floats(r));
}

int64_t recurrent_packed_state(Isa isa, const Recurrent& r) {
  if (r.kind != RecurrentKind::kGru) return gemm_packed_floats(isa, r.hidden, gate_floats(r));
  return gemm_packed_floats(isa, r.hidden, 2 * r.hidden) +
         gemm_packed_floats(isa, r.hidden, r.hidden);
}

void recurrent_pack_inputs(Isa isa, const Recurrent& r, const float* weights, float* packed) {
  gemm_pack(isa, weights, 1, r.inputs, r.inputs, gate_floats(r), packed);
}

void recurrent_pack_state(Isa isa, const Recurrent& r, const float* weights, float* packed) {
  const int64_t h = r.hidden;
  if (r.kind != RecurrentKind::kGru)
    return gemm_pack(isa, weights, 1, h, h, gate_floats(r), packed);
  gemm_pack(isa, weights, 1, h, h, 2 * h, packed);
  gemm_pack(isa, weights + 2 * h * h, 1, h, h, h, packed + gemm_packed_floats(isa, h, 2 * h));
}

int64_t recurrent_scratch_bytes(const Recurrent& r) {
  return checked_mul(checked_mul(Areas(r).total, r.directions, kScratch), int64_t{4}, kScratch);
}

void run_recurrent(Isa isa, const Recurrent& r, void* scratch, ThreadPool& pool) {
  if (r.batch == 0) return;
  const int64_t each = Areas(r).total;
  auto* memory = static_cast<float*>(scratch);
  for (int d = 0; d < r.directions && r.steps > 0; ++d) {
    Gemm g{.m = r.steps * r.batch, .n = gate_floats(r), .k = r.inputs};
    g.a = r.x;
    g.a_row = r.inputs;
    g.b = r.input_weights + d * recurrent_packed_inputs(isa, r);
    g.b_packed = true;
    g.c = memory + d * each;
    g.c_row = g.n;
    if (r.input_bias != nullptr) g.epilogue.bias = r.input_bias + d * g.n;
    gemm(isa, g, nullptr, pool);
  }
  const int64_t parts =
      r.lengths != nullptr
          ? r.batch
          : std::clamp<int64_t>(r.batch / kPartRows, 1, divide_up(pool.threads(), r.directions));
  const auto walk = [&](int64_t task) {
    const int d = static_cast<int>(task / parts);
    Walk(isa, r, d, part_begin(r.batch, parts, task % parts),
         part_begin(r.batch, parts, task % parts + 1), memory + d * each, pool)
        .run();
  };
  // A single walk may share its products among the threads.
  if (parts * r.directions == 1) return walk(0);
  pool.parallel_for(parts * r.directions, walk);
}

}  // namespace planish::cpu
