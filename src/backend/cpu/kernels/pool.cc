// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/pool.h"

#include <algorithm>

#include "backend/cpu/kernels/partition.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {
namespace {

// Channels are shared out in units of whole cache lines for every Isa.
constexpr int64_t kChannelUnit = 64;

// The kernel elements [first, last) of an output position that lie inside x, and the number of
// those inside x and its paddings.
struct Cut {
  int64_t position;  // of element `first`
  int64_t count, padded;
};

Cut cut_window(const Pool& p, int i, int64_t out) {
  const int64_t begin = out * p.stride[i] - p.pad[i];
  const auto elements_before = [&](int64_t limit) {
    return limit <= begin ? 0 : std::min(divide_up(limit - begin, p.dilation[i]), p.kernel[i]);
  };
  const int64_t first = elements_before(0), last = elements_before(p.in[i]);
  return {begin + first * p.dilation[i], last - first, elements_before(p.in[i] + p.pad_end[i])};
}

// All output pixels of a row, channels [c0, c1).
template <class Step>
void pool_row(const Pool& p, bool count_pad, Step step, int64_t row, int64_t c0, int64_t c1) {
  const int64_t image = row / p.out[1] / p.out[0];
  const Cut d = cut_window(p, 0, row / p.out[1] % p.out[0]);
  const Cut h = cut_window(p, 1, row % p.out[1]);
  const float* x = p.x + image * p.x_batch + c0;
  PoolWindow w;
  w.step[2] = p.dilation[2] * p.x_pixel;
  w.step[1] = p.dilation[1] * p.in[2] * p.x_pixel;
  w.step[0] = p.dilation[0] * p.in[1] * p.in[2] * p.x_pixel;
  w.channels = c1 - c0;
  w.y = p.y + image * p.y_batch + row % (p.out[0] * p.out[1]) * p.out[2] * p.y_pixel + c0;
  for (int64_t j = 0; j < p.out[2]; ++j, w.y += p.y_pixel) {
    const Cut cut = cut_window(p, 2, j);
    w.count[0] = d.count;
    w.count[1] = h.count;
    w.count[2] = cut.count;
    const bool empty = d.count <= 0 || h.count <= 0 || cut.count <= 0;
    if (empty) w.count[0] = 0;
    w.x =
        empty ? x : x + ((d.position * p.in[1] + h.position) * p.in[2] + cut.position) * p.x_pixel;
    const double elements = count_pad
                                ? static_cast<double>(d.padded) * static_cast<double>(h.padded) *
                                      static_cast<double>(cut.padded)
                                : static_cast<double>(d.count) * static_cast<double>(h.count) *
                                      static_cast<double>(cut.count);
    // The mean of no elements is 0.
    w.scale = elements == 0 ? 0 : static_cast<float>(1.0 / elements);
    step(w);
  }
}

template <class Step>
void run(const Pool& p, bool count_pad, Step step, ThreadPool& pool) {
  const int64_t rows = p.batch * p.out[0] * p.out[1];
  if (rows == 0 || p.out[2] == 0 || p.channels == 0) return;
  const int64_t units = divide_up(p.channels, kChannelUnit);
  // Each output element costs its window; a load is about a multiply-add.
  const double work = static_cast<double>(rows) * static_cast<double>(p.out[2]) *
                      static_cast<double>(p.channels) * static_cast<double>(p.kernel[0]) *
                      static_cast<double>(p.kernel[1]) * static_cast<double>(p.kernel[2]);
  const Grid grid = choose_grid(rows, units, 1, 0, work, wanted_parts(pool.threads()));
  pool.parallel_for(grid.parts(), [&](int64_t task) {
    const int64_t part = task % grid.cols;
    const int64_t c0 = part_begin(units, grid.cols, part) * kChannelUnit;
    const int64_t c1 = std::min(part_begin(units, grid.cols, part + 1) * kChannelUnit, p.channels);
    const int64_t end = part_begin(rows, grid.rows, task / grid.cols + 1);
    for (int64_t r = part_begin(rows, grid.rows, task / grid.cols); r < end; ++r) {
      pool_row(p, count_pad, step, r, c0, c1);
    }
  });
}

const PoolKernels& kernels(Isa isa) {
  return by_isa(isa, plain::kPoolKernels, avx2::kPoolKernels, avx512::kPoolKernels);
}

}  // namespace

void max_pool(Isa isa, const Pool& p, ThreadPool& pool) { run(p, false, kernels(isa).max, pool); }

void average_pool(Isa isa, const Pool& p, bool count_pad, ThreadPool& pool) {
  run(p, count_pad, kernels(isa).sum, pool);
}

}  // namespace planish::cpu
