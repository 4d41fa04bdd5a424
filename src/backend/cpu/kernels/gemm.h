// SPDX-License-Identifier: Apache-2.0
#pragma once

// f32 matrix product with a fused epilogue: C = epilogue(A B), for one matrix or a batch of them.
//
//   A [m, k]   any strides (so also transposed)
//   B [k, n]   packed once by gemm_pack (weights), or any strides
//   C [m, n]   rows of contiguous columns
//
// The packed form of B is made for one Isa. It is a row of panels of kPanel = 2 vectors of columns
// (32 for avx512, 16 for avx2, 8 for plain); the last panel is one vector wide if that holds the
// columns left. A panel is k rows of its columns; columns past n are zero.
//
// A tile of up to 14 (avx512), 6 (avx2) or 4 (plain) rows by one panel is accumulated in registers.
// A is read in place, one broadcast element at a time, so it is never copied. k is cut so that a
// block of B stays in the second-level cache while all rows of A pass over it (Goto and van de
// Geijn, "Anatomy of high-performance matrix multiplication", 2008, with A and B in each other's
// places).

#include <cstdint>

#include "backend/cpu/kernels/epilogue.h"
#include "backend/cpu/kernels/isa.h"

namespace planish {
class ThreadPool;
}

namespace planish::cpu {

// Strides are in floats. Two batch dimensions (batch[0] outer) let attention read [batch, sequence,
// head, channel] in place; a stride of 0 shares a matrix.
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  int64_t batch[2] = {1, 1};

  const float* a = nullptr;
  int64_t a_row = 0, a_col = 1;
  int64_t a_batch[2] = {0, 0};

  const float* b = nullptr;
  bool b_packed = false;  // then b_row and b_col mean nothing
  int64_t b_row = 0, b_col = 1;
  int64_t b_batch[2] = {0, 0};

  float* c = nullptr;
  int64_t c_row = 0;
  int64_t c_batch[2] = {0, 0};

  Epilogue epilogue = {};
  int64_t residual_batch[2] = {0, 0};
};

// The size of B [k, n] when packed, in floats; a multiple of 16.
int64_t gemm_packed_floats(Isa isa, int64_t k, int64_t n);

// Packs B, whose element (i, j) is b[i * b_row + j * b_col]. `packed` is aligned to 64 bytes for
// speed.
void gemm_pack(Isa isa, const float* b, int64_t b_row, int64_t b_col, int64_t k, int64_t n,
               float* packed);

// The scratch memory that gemm() needs on a pool of so many threads, in bytes: depends on sizes and
// strides, not on pointers. 0 if B is packed.
int64_t gemm_scratch_bytes(Isa isa, const Gemm& gemm, int threads);

// Computes C. `scratch` is aligned to 64 bytes. k = 0 gives the epilogue of zero.
void gemm(Isa isa, const Gemm& gemm, void* scratch, ThreadPool& pool);

}  // namespace planish::cpu
