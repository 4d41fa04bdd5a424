// SPDX-License-Identifier: Apache-2.0
#pragma once

// What happens to a block of a matrix product's or convolution's result while it is hot in the
// cache.

#include <cstdint>

namespace planish::cpu {

// y = f(x), with the parameters `p` and `q` of Epilogue. NaN gives NaN.
enum class Activation {
  none,
  clip,          // min(max(x, p), q); ReLU is p = 0, q = infinity
  leaky_relu,    // x < 0 ? p x : x
  sigmoid,       // 1 / (1 + exp(-x))
  silu,          // x sigmoid(p x)
  tanh,          // tanh(x)
  gelu_erf,      // x / 2 (1 + erf(x / sqrt 2))
  gelu_tanh,     // x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
  hard_sigmoid,  // min(max(p x + q, 0), 1)
  hard_swish,    // x min(max(x / 6 + 1 / 2, 0), 1)
  elu,           // x < 0 ? p (exp(x) - 1) : x
};

// c = f(alpha * product + bias + row_bias + residual), or with residual_last
// c = f(alpha * product + bias + row_bias) + residual; then the tail, if any, changes c in place.
// Rows are the rows of the product (a convolution's output pixels), columns its columns (output
// channels).
struct Epilogue {
  float alpha = 1.0f;
  const float* bias = nullptr;      // one a column, or none
  const float* row_bias = nullptr;  // one a row, or none
  const float* residual =
      nullptr;               // a matrix like c, or none; may be c itself unless residual_last
  int64_t residual_row = 0;  // its row stride, in floats
  bool residual_last = false;
  Activation activation = Activation::none;
  float p = 0.0f;
  float q = 0.0f;

  // Called from several threads at once for finished blocks that do not overlap: rows row0 to row0
  // + rows - 1 and columns col0 to col0 + cols - 1 of matrix `batch`; c points at the block's first
  // element. rows * cols is small enough for the first-level cache.
  using Tail = void (*)(const void* state, float* c, int64_t c_row, int64_t batch, int64_t row0,
                        int64_t rows, int64_t col0, int64_t cols);
  Tail tail = nullptr;
  const void* tail_state = nullptr;
};

}  // namespace planish::cpu
