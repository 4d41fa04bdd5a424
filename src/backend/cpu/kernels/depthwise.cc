// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/depthwise.h"

#include <algorithm>

#include "backend/cpu/kernels/partition.h"
#include "base/checked.h"
#include "runtime/thread_pool.h"

namespace planish::cpu {
namespace {

constexpr const char* kScratch = "scratch memory of a depthwise convolution";

// Memory of one thread: the lists of rows, then, if an input channel has several output channels,
// the rows of x with each channel repeated.
struct SlotSizes {
  int64_t lists;  // bytes
  int64_t bytes;
};

int64_t multiplier(const Conv& c) { return c.out_channels / c.in_channels; }

SlotSizes slot_sizes(const Conv& c) {
  const int64_t rows = checked_mul(c.kernel[0], c.kernel[1], kScratch);
  const int64_t lists =
      round_up(checked_mul(rows, 2 * static_cast<int64_t>(sizeof(const float*)), kScratch), 64);
  if (multiplier(c) == 1) return {lists, lists};
  const int64_t row = checked_mul(c.in[2], c.out_channels, kScratch);
  const int64_t expanded = checked_mul(checked_mul(rows, row, kScratch), 4, kScratch);
  return {lists, round_up(checked_add(lists, expanded, kScratch), 64)};
}

const float* expand_row(const Conv& c, const float* x, float* out) {
  const int64_t times = multiplier(c);
  float* to = out;
  for (int64_t j = 0; j < c.in[2]; ++j, x += c.x_pixel) {
    for (int64_t i = 0; i < c.in_channels; ++i, to += times) std::fill_n(to, times, x[i]);
  }
  return out;
}

// Output row `h` of plane `d` of image `image`.
void compute_row(const DepthwiseKernels& kernels, const Conv& c, int64_t image, int64_t d,
                 int64_t h, char* slot) {
  const int64_t rows = c.kernel[0] * c.kernel[1];
  const float** x_rows = reinterpret_cast<const float**>(slot);
  const float** weight_rows = x_rows + rows;
  float* expanded = reinterpret_cast<float*>(slot + slot_sizes(c).lists);
  DepthwiseRow r{};
  for (int64_t kd = 0; kd < c.kernel[0]; ++kd) {
    const int64_t id = d * c.stride[0] - c.pad[0] + kd * c.dilation[0];
    if (id < 0 || id >= c.in[0]) continue;
    for (int64_t kh = 0; kh < c.kernel[1]; ++kh) {
      const int64_t ih = h * c.stride[1] - c.pad[1] + kh * c.dilation[1];
      if (ih < 0 || ih >= c.in[1]) continue;
      const float* x = c.x + image * c.x_batch + (id * c.in[1] + ih) * c.in[2] * c.x_pixel;
      if (multiplier(c) > 1) x = expand_row(c, x, expanded + r.rows * c.in[2] * c.out_channels);
      x_rows[r.rows] = x;
      weight_rows[r.rows] = c.weights + (kd * c.kernel[1] + kh) * c.kernel[2] * c.out_channels;
      ++r.rows;
    }
  }
  r.x_rows = x_rows;
  r.weight_rows = weight_rows;
  r.in_width = c.in[2];
  r.x_pixel = multiplier(c) > 1 ? c.out_channels : c.x_pixel;
  r.kernel = c.kernel[2];
  r.stride = c.stride[2];
  r.dilation = c.dilation[2];
  r.pad = c.pad[2];
  r.channels = c.out_channels;
  const int64_t pixel = (d * c.out[1] + h) * c.out[2];
  r.y = c.y + image * c.y_batch + pixel * c.y_pixel;
  r.y_pixel = c.y_pixel;
  r.out_width = c.out[2];
  r.row0 = image * c.out[0] * c.out[1] * c.out[2] + pixel;
  r.epilogue = c.epilogue;
  if (r.epilogue.residual != nullptr) {
    r.epilogue.residual += image * c.residual_batch + pixel * r.epilogue.residual_row;
  }
  kernels.row(r);
}

}  // namespace

int64_t depthwise_packed_floats(const Conv& conv) {
  return conv.kernel[0] * conv.kernel[1] * conv.kernel[2] * conv.out_channels;
}

void depthwise_pack(const Conv& conv, const float* weights, float* packed) {
  const int64_t taps = conv.kernel[0] * conv.kernel[1] * conv.kernel[2];
  for (int64_t t = 0; t < taps; ++t) {
    for (int64_t o = 0; o < conv.out_channels; ++o) {
      packed[t * conv.out_channels + o] = weights[o * taps + t];
    }
  }
}

int64_t depthwise_scratch_bytes(const Conv& conv, int threads) {
  return checked_mul(slot_sizes(conv).bytes, threads, kScratch);
}

void depthwise(Isa isa, const Conv& conv, void* scratch, ThreadPool& pool) {
  const DepthwiseKernels& kernels =
      by_isa(isa, plain::kDepthwiseKernels, avx2::kDepthwiseKernels, avx512::kDepthwiseKernels);
  const int64_t rows = conv.batch * conv.out[0] * conv.out[1];
  const double row_work =
      static_cast<double>(conv.out[2]) * static_cast<double>(depthwise_packed_floats(conv));
  const Grid grid = choose_grid(rows, 1, 1, 1, static_cast<double>(rows) * row_work,
                                wanted_parts(pool.threads()));
  const int64_t bytes = slot_sizes(conv).bytes;
  pool.parallel_for(rows == 0 ? 0 : grid.rows, [&](int64_t task, int slot) {
    const int64_t end = part_begin(rows, grid.rows, task + 1);
    for (int64_t r = part_begin(rows, grid.rows, task); r < end; ++r) {
      const int64_t plane = r / conv.out[1];
      compute_row(kernels, conv, plane / conv.out[0], plane % conv.out[0], r % conv.out[1],
                  static_cast<char*>(scratch) + slot * bytes);
    }
  });
}

}  // namespace planish::cpu
