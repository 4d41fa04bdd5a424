// SPDX-License-Identifier: Apache-2.0
// Gathering slices by index: Gather along an axis, embedding lookup.
#pragma once

#include <cstdint>

#include "runtime/thread_pool.h"

namespace planish::cpu {

// out[o, i, :] = data[o, indices[i], :], slices of `slice_bytes` bytes.
struct GatherParams {
  const void* data = nullptr;  // [outer, axis_size, slice]
  const void* indices = nullptr;
  bool wide_indices = true;  // int64, else int32
  void* out = nullptr;       // [outer, index_count, slice]
  int64_t outer = 1;
  int64_t axis_size = 0;
  int64_t index_count = 0;
  int64_t slice_bytes = 0;
};

// Negative indices count from the end. Throws invalid_value, before anything is written, for an
// index outside of [-axis_size, axis_size).
void run_gather(const GatherParams& params, ThreadPool& pool);

}  // namespace planish::cpu
