// SPDX-License-Identifier: Apache-2.0
#pragma once

// The step that matrix product, convolution and transposed convolution share: one thread computes a
// block of rows and columns of C from a matrix A that is given by address and a packed B.

#include <cstdint>

#include "backend/cpu/kernels/epilogue.h"
#include "backend/cpu/kernels/isa.h"

namespace planish::cpu {

// A stretch of the sum over k: `length` products whose A elements begin `offset` floats after the
// row's first and follow each other by a_step; B's rows go on from those of the stretch before. A
// matrix product is one stretch; a convolution has one for each kernel row or kernel tap.
struct Segment {
  int64_t offset;
  int64_t length;
};

// C[r, i, j] for r < runs, i < rows, j < cols, where element (r, i) of A's rows begins at
// a + r * a_run + i * a_row and that of C's at c + r * c_run + i * c_row.
struct GemmBlock {
  const float* a = nullptr;
  int64_t a_run = 0, a_row = 0, a_step = 1;
  const Segment* segments = nullptr;
  int64_t segment_count = 0;

  const float* b = nullptr;  // the first column of the block, which begins a panel
  int64_t b_panel = 0;       // from one panel to the next, in floats
  int64_t b_step = 0;        // from one row of a panel to the next; 0 means packed
  const float* b_last =
      nullptr;  // with b_step: the packed panel of the columns past the last whole panel

  float* c = nullptr;
  int64_t c_run = 0, c_row = 0;
  int64_t runs = 1, rows = 0, cols = 0;

  // Pointers in it are moved to the block's first element; row_bias does not go with runs > 1.
  Epilogue epilogue;
  int64_t residual_run = 0;
  int64_t batch = 0, row0 = 0, col0 = 0;  // the block's place, told to the tail
  int64_t row_run = 0;                    // from one run's place to the next
};

struct GemmKernels {
  int64_t max_rows;  // of a tile
  int64_t panel;     // columns of a whole panel
  int64_t lanes;
  void (*block)(const GemmBlock& block);
  // Packs columns col0 to col1 - 1 (col0 begins a panel) of B [k, n] to their place in `packed`.
  void (*pack)(const float* b, int64_t b_row, int64_t b_col, int64_t k, int64_t n, int64_t col0,
               int64_t col1, float* packed);
};

const GemmKernels& gemm_kernels(Isa isa);

namespace plain {
extern const GemmKernels kGemmKernels;
}
namespace avx2 {
extern const GemmKernels kGemmKernels;
}
namespace avx512 {
extern const GemmKernels kGemmKernels;
}

}  // namespace planish::cpu
