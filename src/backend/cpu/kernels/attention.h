// SPDX-License-Identifier: Apache-2.0
// Scaled dot-product attention of f32 without the matrix of scores in memory.
//
//   out = softmax(cap(scale * q k^T) + mask) v      per batch and head
//
// Keys are taken a block at a time with a running maximum and sum (the online softmax), so memory
// is a fixed amount of stack a thread. A row whose every score is -inf gives 0, as the op says.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/isa.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {

// Element strides of [batch, head, position, element] with dense elements: [B,H,S,D] and [B,S,H,D]
// are two choices of them.
struct HeadStrides {
  int64_t batch = 0;
  int64_t head = 0;
  int64_t position = 0;
};

struct AttentionParams {
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
  float* out = nullptr;
  HeadStrides q_strides, k_strides, v_strides, out_strides;
  int64_t batch = 1;
  int64_t heads = 1;
  int64_t kv_heads = 1;  // divides heads: neighbouring heads share keys and values
  int64_t q_length = 1;
  int64_t k_length = 1;
  int64_t head_size = 1;
  int64_t v_head_size = 1;
  float scale = 1.0f;
  float softcap = 0;            // s becomes softcap * tanh(s / softcap) unless 0
  const float* mask = nullptr;  // added; null: 0
  int64_t mask_batch = 0, mask_head = 0, mask_q = 0, mask_k = 1;  // strides, 0 where it repeats
  bool causal = false;
  int64_t causal_offset = 0;  // key j is seen by query i if j <= i + causal_offset
  Isa isa = best_isa();
};

inline constexpr int64_t kMaxHeadSize = 256;

// Throws unsupported for a head_size above kMaxHeadSize.
void run_attention(const AttentionParams& params, ThreadPool& pool);

// By instruction set.

inline constexpr int64_t kAttentionRows = 256;  // queries of one call

struct AttentionTable {
  // Queries [first, first + rows) of one batch and head; rows <= kAttentionRows.
  void (*attend)(const AttentionParams& params, int64_t batch, int64_t head, int64_t first,
                 int64_t rows);
};

namespace plain {
extern const AttentionTable kAttention;
}
namespace avx2 {
extern const AttentionTable kAttention;
}
namespace avx512 {
extern const AttentionTable kAttention;
}

inline const AttentionTable& attention_table(Isa isa) {
  return by_isa(isa, plain::kAttention, avx2::kAttention, avx512::kAttention);
}

}  // namespace planish::cpu
