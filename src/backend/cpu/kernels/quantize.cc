// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/quantize.h"

#include <algorithm>
#include <vector>

#include "backend/cpu/kernels/partition.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {
namespace {

constexpr int64_t kTaskElements = 16 * 1024;

int64_t task_count(int64_t elements, int64_t units, int threads) {
  return std::clamp<int64_t>(elements / kTaskElements, 1, std::min<int64_t>(units, 4 * threads));
}

float zero_point(const Quantize& p, int64_t i) {
  if (p.zero == nullptr) return 0;
  return p.is_signed ? static_cast<float>(static_cast<int8_t>(p.zero[i]))
                     : static_cast<float>(p.zero[i]);
}

// Calls run(first element, count, scale, zero points, per_channel) over stretches of the tensor.
template <class Run>
void for_each_stretch(const Quantize& p, ThreadPool& pool, Run&& run) {
  const int64_t count = p.outer * p.channels * p.inner;
  if (count == 0) return;
  if (!p.per_channel) {
    const float zero = zero_point(p, 0);
    constexpr int64_t kUnit = 64;
    const int64_t units = divide_up(count, kUnit);
    const int64_t tasks = task_count(count, units, pool.threads());
    return pool.parallel_for(tasks, [&](int64_t task) {
      const int64_t first = part_begin(units, tasks, task) * kUnit;
      const int64_t last = std::min(part_begin(units, tasks, task + 1) * kUnit, count);
      run(first, last - first, p.scale, &zero, false);
    });
  }
  std::vector<float> zeros(static_cast<size_t>(p.channels));
  for (int64_t i = 0; i < p.channels; ++i) zeros[static_cast<size_t>(i)] = zero_point(p, i);
  if (p.inner == 1) {
    const int64_t tasks = task_count(count, p.outer, pool.threads());
    return pool.parallel_for(tasks, [&](int64_t task) {
      for (int64_t row = part_begin(p.outer, tasks, task);
           row < part_begin(p.outer, tasks, task + 1); ++row)
        run(row * p.channels, p.channels, p.scale, zeros.data(), true);
    });
  }
  const int64_t rows = p.outer * p.channels;
  const int64_t tasks = task_count(count, rows, pool.threads());
  pool.parallel_for(tasks, [&](int64_t task) {
    for (int64_t row = part_begin(rows, tasks, task); row < part_begin(rows, tasks, task + 1);
         ++row) {
      const auto channel = static_cast<size_t>(row % p.channels);
      run(row * p.inner, p.inner, p.scale + channel, zeros.data() + channel, false);
    }
  });
}

}  // namespace

void quantize(Isa isa, const Quantize& p, ThreadPool& pool) {
  const QuantizeTable& table = quantize_table(isa);
  for_each_stretch(
      p, pool,
      [&](int64_t first, int64_t n, const float* scale, const float* zero, bool per_channel) {
        table.quantize(p.x + first, n, scale, zero, per_channel, p.is_signed, p.q_out + first);
      });
}

void dequantize(Isa isa, const Quantize& p, ThreadPool& pool) {
  const QuantizeTable& table = quantize_table(isa);
  for_each_stretch(
      p, pool,
      [&](int64_t first, int64_t n, const float* scale, const float* zero, bool per_channel) {
        table.dequantize(p.q + first, n, scale, zero, per_channel, p.is_signed, p.y + first);
      });
}

int64_t float_range_scratch(int threads) {
  return int64_t{4} * threads * 2 * static_cast<int64_t>(sizeof(float));
}

void float_range(Isa isa, const float* x, int64_t count, float* least, float* greatest,
                 void* scratch, ThreadPool& pool) {
  const QuantizeTable& table = quantize_table(isa);
  *least = *greatest = 0;
  if (count == 0) return;
  const int64_t tasks = task_count(count, count, pool.threads());
  if (tasks == 1) return table.range(x, count, least, greatest);
  auto* ends = static_cast<float*>(scratch);
  pool.parallel_for(tasks, [&](int64_t task) {
    const int64_t first = part_begin(count, tasks, task);
    float* own = ends + 2 * task;
    own[0] = own[1] = 0;
    table.range(x + first, part_begin(count, tasks, task + 1) - first, own, own + 1);
  });
  for (int64_t i = 0; i < tasks; ++i) {
    *least = std::min(*least, ends[2 * i]);
    *greatest = std::max(*greatest, ends[2 * i + 1]);
  }
}

}  // namespace planish::cpu
