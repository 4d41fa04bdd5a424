// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/arg_extreme.h"

#include <algorithm>

#include "backend/cpu/kernels/partition.h"

namespace planish::cpu {
namespace {

// Elements that one task looks at, at least.
constexpr int64_t kTaskElements = 16 * 1024;
constexpr int64_t kColumnUnit = 64;

}  // namespace

void run_arg_extreme(Isa isa, const ArgExtreme& p, ThreadPool& pool) {
  const ArgExtremeTable& table =
      by_isa(isa, plain::kArgExtreme, avx2::kArgExtreme, avx512::kArgExtreme);
  const int64_t units = p.outer * divide_up(p.inner, kColumnUnit);
  if (units == 0) return;
  const int64_t per_matrix = units / p.outer;
  const int64_t tasks = std::clamp<int64_t>(p.outer * p.size * p.inner / kTaskElements, 1,
                                            std::min<int64_t>(units, 4 * pool.threads()));
  pool.parallel_for(tasks, [&](int64_t task) {
    const int64_t end = part_begin(units, tasks, task + 1);
    for (int64_t unit = part_begin(units, tasks, task); unit < end; ++unit) {
      const int64_t matrix = unit / per_matrix;
      const float* x = p.x + matrix * p.size * p.inner;
      int64_t* out = p.out + matrix * p.inner;
      if (p.inner == 1) {
        *out = table.row(p, x);
      } else {
        const int64_t first = unit % per_matrix * kColumnUnit;
        table.columns(p, x, first, std::min(first + kColumnUnit, p.inner), out);
      }
    }
  });
}

}  // namespace planish::cpu
