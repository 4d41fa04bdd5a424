// SPDX-License-Identifier: Apache-2.0
// Where along an axis the largest or smallest float lies. A NaN is larger and smaller than every
// number, as ONNX has it.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/isa.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {

struct ArgExtreme {
  const float* x = nullptr;                // [outer, size, inner]
  int64_t* out = nullptr;                  // [outer, inner]
  int64_t outer = 0, size = 0, inner = 0;  // size from 1 to 2^31 - 1
  bool smallest = false;
  bool last = false;  // of equal ones the last, not the first
};

void run_arg_extreme(Isa isa, const ArgExtreme& p, ThreadPool& pool);

// By instruction set.

struct ArgExtremeTable {
  // Columns [first, last) of one [size, inner] matrix.
  void (*columns)(const ArgExtreme& p, const float* x, int64_t first, int64_t last, int64_t* out);
  // A row of `size` neighbours.
  int64_t (*row)(const ArgExtreme& p, const float* x);
};

namespace plain {
extern const ArgExtremeTable kArgExtreme;
}
namespace avx2 {
extern const ArgExtremeTable kArgExtreme;
}
namespace avx512 {
extern const ArgExtremeTable kArgExtreme;
}

}  // namespace planish::cpu
