// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/onednn/finish.h"

#include "backend/cpu/kernels/gemm_block.h"

namespace planish::cpu::onednn {
namespace {

// A product over nothing with c as its own residual: c = f(c), then the tail.
void apply(Isa isa, const Epilogue& e, float* c, int64_t c_row, int64_t row0, int64_t rows,
           int64_t col0, int64_t cols) {
  GemmBlock block;
  block.c = c;
  block.c_row = c_row;
  block.rows = rows;
  block.cols = cols;
  block.row0 = row0;
  block.col0 = col0;
  block.epilogue.residual = c;
  block.epilogue.residual_row = c_row;
  block.epilogue.activation = e.activation;
  block.epilogue.p = e.p;
  block.epilogue.q = e.q;
  block.epilogue.tail = e.tail;
  block.epilogue.tail_state = e.tail_state;
  gemm_kernels(isa).block(block);
}

void add(const Epilogue& e, float* c, int64_t c_row, int64_t row0, int64_t rows, int64_t col0,
         int64_t cols) {
  for (int64_t i = 0; i < rows; ++i) {
    float* to = c + i * c_row;
    const float* from = e.residual + (row0 + i) * e.residual_row + col0;
    for (int64_t j = 0; j < cols; ++j) to[j] += from[j];
  }
}

}  // namespace

bool needs_finish(const Epilogue& e) {
  return e.residual != nullptr || e.activation != Activation::none || e.tail != nullptr;
}

void finish(Isa isa, const Epilogue& e, float* c, int64_t c_row, int64_t row0, int64_t rows,
            int64_t col0, int64_t cols) {
  const bool adds_first = e.residual != nullptr && !e.residual_last;
  const bool adds_last = e.residual != nullptr && e.residual_last;
  if (adds_first) add(e, c, c_row, row0, rows, col0, cols);
  Epilogue now = e;
  if (adds_last) now.tail = nullptr;
  if (now.activation != Activation::none || now.tail != nullptr)
    apply(isa, now, c, c_row, row0, rows, col0, cols);
  if (!adds_last) return;
  add(e, c, c_row, row0, rows, col0, cols);
  if (e.tail == nullptr) return;
  Epilogue tail;
  tail.tail = e.tail;
  tail.tail_state = e.tail_state;
  apply(isa, tail, c, c_row, row0, rows, col0, cols);
}

}  // namespace planish::cpu::onednn
