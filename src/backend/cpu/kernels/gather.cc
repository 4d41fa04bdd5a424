// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/gather.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "planish/error.h"

namespace planish::cpu {

namespace {

constexpr int64_t kTaskBytes = 64 * 1024;

template <class Index>
void check_indices(const GatherParams& params) {
  const auto* indices = static_cast<const Index*>(params.indices);
  bool good = true;
  for (int64_t i = 0; i < params.index_count; ++i) {
    good &= indices[i] >= -params.axis_size && indices[i] < params.axis_size;
  }
  if (good) return;
  for (int64_t i = 0; i < params.index_count; ++i) {
    if (indices[i] >= -params.axis_size && indices[i] < params.axis_size) continue;
    throw Error(ErrorCode::kInvalidValue, "gather: index " + std::to_string(indices[i]) +
                                              " at position " + std::to_string(i) +
                                              " is outside of an axis of " +
                                              std::to_string(params.axis_size));
  }
}

// `bytes` is a constant where the caller knows it, so that the copy becomes a move or two.
template <class Index>
void gather_slices(const GatherParams& params, int64_t first, int64_t last, size_t bytes) {
  const auto* indices = static_cast<const Index*>(params.indices);
  const auto* data = static_cast<const char*>(params.data);
  auto* out = static_cast<char*>(params.out) + first * static_cast<int64_t>(bytes);
  int64_t o = first / params.index_count;
  int64_t i = first % params.index_count;
  for (int64_t at = first; at < last; ++at) {
    int64_t index = indices[i];
    if (index < 0) index += params.axis_size;
    std::memcpy(out, data + (o * params.axis_size + index) * static_cast<int64_t>(bytes), bytes);
    out += bytes;
    if (++i == params.index_count) {
      i = 0;
      ++o;
    }
  }
}

template <class Index>
void run_typed(const GatherParams& params, ThreadPool& pool) {
  check_indices<Index>(params);
  const int64_t slices = params.outer * params.index_count;
  if (slices == 0 || params.slice_bytes == 0) return;
  const int64_t tasks = std::clamp<int64_t>(slices * params.slice_bytes / kTaskBytes, 1,
                                            std::min<int64_t>(slices, 4 * pool.threads()));
  pool.parallel_for(tasks, [&](int64_t task) {
    const int64_t first = slices * task / tasks;
    const int64_t last = slices * (task + 1) / tasks;
    if (params.slice_bytes == 4) return gather_slices<Index>(params, first, last, 4);
    if (params.slice_bytes == 8) return gather_slices<Index>(params, first, last, 8);
    gather_slices<Index>(params, first, last, static_cast<size_t>(params.slice_bytes));
  });
}

}  // namespace

void run_gather(const GatherParams& params, ThreadPool& pool) {
  if (params.wide_indices) {
    run_typed<int64_t>(params, pool);
  } else {
    run_typed<int32_t>(params, pool);
  }
}

}  // namespace planish::cpu
