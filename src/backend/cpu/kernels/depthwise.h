// SPDX-License-Identifier: Apache-2.0
#pragma once

// f32 depthwise convolution, channels last: `groups` = in_channels, out_channels a multiple of it;
// output channel o sees input channel o / (out_channels / in_channels). Vectors run over channels.
// A strip of output pixels is accumulated in registers, so that a pixel of x that several of its
// windows share is loaded once. Nothing is copied at borders: windows are cut to the kernel
// elements that lie inside x.

#include <cstdint>

#include "backend/cpu/kernels/conv.h"
#include "backend/cpu/kernels/isa.h"

namespace planish::cpu {

// Packed weights are [kernel elements, out_channels]; the same for every Isa.
int64_t depthwise_packed_floats(const Conv& conv);
void depthwise_pack(const Conv& conv, const float* weights, float* packed);

int64_t depthwise_scratch_bytes(const Conv& conv, int threads);

// As conv(); x_planar must be false.
void depthwise(Isa isa, const Conv& conv, void* scratch, ThreadPool& pool);

// ---- the step that is compiled for each instruction set

// One row of output pixels.
struct DepthwiseRow {
  // The kernel rows that lie inside x: the first pixel of the row of x, and the packed weights.
  const float* const* x_rows;
  const float* const* weight_rows;
  int64_t rows;
  int64_t in_width, x_pixel;
  int64_t kernel, stride, dilation, pad;
  int64_t channels;
  float* y;
  int64_t y_pixel, out_width;
  Epilogue epilogue;  // residual moved to the row
  int64_t row0;       // told to the tail
};

struct DepthwiseKernels {
  void (*row)(const DepthwiseRow& row);
};

namespace plain {
extern const DepthwiseKernels kDepthwiseKernels;
}
namespace avx2 {
extern const DepthwiseKernels kDepthwiseKernels;
}
namespace avx512 {
extern const DepthwiseKernels kDepthwiseKernels;
}

}  // namespace planish::cpu
