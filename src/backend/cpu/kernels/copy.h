// SPDX-License-Identifier: Apache-2.0
// Moving elements between strided layouts: transpose, slice, concat, pad's interior, expand, tile.
//
// Elements are opaque, of 1, 2, 4, 8 or 16 bytes; strides may be zero (a source that repeats) or
// negative (a reversed slice).
#pragma once

#include <cstdint>
#include <span>

#include "backend/cpu/kernels/isa.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {

inline constexpr int kMaxCopyRank = 16;

struct CopyParams {
  const void* src = nullptr;
  void* dst = nullptr;
  int element_bytes = 4;
  int rank = 0;
  int64_t dims[kMaxCopyRank] = {};
  int64_t src_strides[kMaxCopyRank] = {};  // in elements
  int64_t dst_strides[kMaxCopyRank] = {};
  Isa isa = best_isa();
};

// dst[i0 s0 + ...] = src[i0 t0 + ...] for every index below dims. Source and destination do not
// overlap; no two indices have one destination. Allocates nothing.
void run_copy(const CopyParams& params, ThreadPool& pool);

// A dense dst whose axis d is axis perm[d] of a dense src of shape `src_dims`.
CopyParams transpose_params(const void* src, void* dst, int element_bytes,
                            std::span<const int64_t> src_dims, std::span<const int64_t> perm);

// n elements from `dst` on become *value.
void fill_elements(void* dst, const void* value, int element_bytes, int64_t n);

// By instruction set.

struct CopyTable {
  // dst[c * dst_ld + r] = src[r * src_ld + c], elements of 4 bytes.
  void (*transpose4)(const void* src, int64_t src_ld, void* dst, int64_t dst_ld, int64_t rows,
                     int64_t cols);
};

namespace plain {
extern const CopyTable kCopy;
}
namespace avx2 {
extern const CopyTable kCopy;
}
namespace avx512 {
extern const CopyTable kCopy;
}

inline const CopyTable& copy_table(Isa isa) {
  return by_isa(isa, plain::kCopy, avx2::kCopy, avx512::kCopy);
}

}  // namespace planish::cpu
