// SPDX-License-Identifier: Apache-2.0
#pragma once

// f32 max and average pooling, channels last, in one to three dimensions (the missing ones have
// size 1). A global pooling is one whose kernel is the input. No scratch memory.

#include <cstdint>

#include "backend/cpu/kernels/isa.h"

namespace planish {
class ThreadPool;
}

namespace planish::cpu {

// Dimensions in the order depth, height, width; strides in floats. x and y are [batch, pixels,
// channels], pixels x_pixel and y_pixel apart.
struct Pool {
  int64_t batch = 1, channels = 0;
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1};
  int64_t kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1};
  int64_t pad[3] = {0, 0, 0}, pad_end[3] = {0, 0, 0};

  const float* x = nullptr;
  int64_t x_pixel = 0, x_batch = 0;
  float* y = nullptr;
  int64_t y_pixel = 0, y_batch = 0;
};

// The largest element of the window inside x; NaN if one of them is NaN; -infinity if there is
// none.
void max_pool(Isa isa, const Pool& p, ThreadPool& pool);

// The sum of the window's elements inside x, divided by their number, or with count_pad by the
// number of those inside x and its paddings.
void average_pool(Isa isa, const Pool& p, bool count_pad, ThreadPool& pool);

// ---- the step that is compiled for each instruction set

// One output pixel, channels [0, channels): the window's pixels inside x, dense in three loops.
struct PoolWindow {
  const float* x;
  int64_t count[3], step[3];
  int64_t channels;
  float* y;
  float scale;  // of the sum
};

struct PoolKernels {
  void (*max)(const PoolWindow& window);
  void (*sum)(const PoolWindow& window);
};

namespace plain {
extern const PoolKernels kPoolKernels;
}
namespace avx2 {
extern const PoolKernels kPoolKernels;
}
namespace avx512 {
extern const PoolKernels kPoolKernels;
}

}  // namespace planish::cpu
