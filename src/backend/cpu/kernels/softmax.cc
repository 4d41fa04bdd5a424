// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/softmax.h"

#include <algorithm>

namespace planish::cpu {

namespace {

// An exponential costs as much as some loads: tasks are smaller than those of a copy.
constexpr int64_t kTaskElements = 4 * 1024;
constexpr int64_t kColumns = 64;

}  // namespace

void run_softmax(const SoftmaxParams& params, ThreadPool& pool) {
  const int64_t columns = (params.inner + kColumns - 1) / kColumns;
  const int64_t units = params.outer * columns;
  if (units == 0 || params.axis_size == 0) return;
  const int64_t slice = params.axis_size * params.inner;
  const int64_t tasks = std::clamp<int64_t>(params.outer * slice / kTaskElements, 1,
                                            std::min<int64_t>(units, 4 * pool.threads()));
  const SoftmaxTable& table = softmax_table(params.isa);
  pool.parallel_for(tasks, [&](int64_t task) {
    for (int64_t unit = units * task / tasks; unit < units * (task + 1) / tasks; ++unit) {
      const int64_t first = unit % columns * kColumns;
      const int64_t at = unit / columns * slice + first;
      if (params.inner == 1) {
        table.run(params.src + at, params.dst + at, params.axis_size, params.logarithm);
      } else {
        table.columns(params.src + at, params.dst + at, params.axis_size, params.inner,
                      std::min(kColumns, params.inner - first), params.logarithm);
      }
    }
  });
}

}  // namespace planish::cpu
