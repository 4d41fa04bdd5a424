// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/attention.h"

#include <algorithm>
#include <string>

#include "planish/error.h"

namespace planish::cpu {

void run_attention(const AttentionParams& params, ThreadPool& pool) {
  if (params.head_size > kMaxHeadSize) {
    throw Error(ErrorCode::kUnsupported, "attention: head size " +
                                             std::to_string(params.head_size) +
                                             ", expected at most " + std::to_string(kMaxHeadSize));
  }
  const int64_t heads = params.batch * params.heads;
  if (heads <= 0 || params.q_length <= 0 || params.v_head_size <= 0) return;
  // A call transposes each block of keys once, so as many queries a call as leave every thread
  // some.
  const int64_t parts = std::max<int64_t>(1, (2 * pool.threads() + heads - 1) / heads);
  const int64_t fair = (params.q_length + parts - 1) / parts;
  const int64_t rows =
      std::clamp<int64_t>(fair, std::min<int64_t>(params.q_length, 32), kAttentionRows);
  const int64_t blocks = (params.q_length + rows - 1) / rows;
  const AttentionTable& table = attention_table(params.isa);
  pool.parallel_for(heads * blocks, [&](int64_t task) {
    const int64_t head = task / blocks;
    const int64_t first = task % blocks * rows;
    table.attend(params, head / params.heads, head % params.heads, first,
                 std::min(rows, params.q_length - first));
  });
}

}  // namespace planish::cpu
