// SPDX-License-Identifier: Apache-2.0
#pragma once

// f32 convolution and transposed convolution, channels last, with a fused epilogue.
//
//   x [batch, depth, height, width, in_channels]     y [batch, depth, height, width, out_channels]
//
// One- and two-dimensional problems have sizes 1 in the dimensions that they lack (a
// one-dimensional one runs along the width). Pixels of x and y may lie further apart than their
// channels are many (x_pixel, y_pixel), so that a concatenation or a slice of channels is a matter
// of addresses; rows and planes of pixels are dense.
//
// Both are matrix products without a matrix of patches: a row of output pixels times the packed
// weights, where A's rows are addressed in x itself. Where windows leave x, the rows of x that a
// task needs are first copied with their margins into the thread's scratch memory. A transposed
// convolution with stride s is s ordinary convolutions with stride 1 in each dimension, one for
// each residue of the output coordinate (Shi et al., "Is the deconvolution layer the same as a
// convolutional layer?", 2016).

#include <cstdint>

#include "backend/cpu/kernels/epilogue.h"
#include "backend/cpu/kernels/isa.h"

namespace planish {
class ThreadPool;
}

namespace planish::cpu {

// All sizes are at least 1 (batch may be 0), dimensions are in the order depth, height, width,
// strides are in floats.
struct Conv {
  int64_t batch = 1, in_channels = 0, out_channels = 0, groups = 1;
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1};
  int64_t kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1};
  int64_t pad[3] = {0, 0, 0};  // before the first pixel; those after the last follow from `out`

  const float* x = nullptr;
  int64_t x_pixel = 0;  // >= in_channels
  int64_t x_batch = 0;
  bool x_planar = false;  // x is [batch, in_channels, depth, height, width], planes dense: a first
                          // layer's input

  const float* weights = nullptr;  // packed

  float* y = nullptr;
  int64_t y_pixel = 0;  // >= out_channels
  int64_t y_batch = 0;

  // Rows are pixels: residual_row goes from pixel to pixel. The tail is told batch 0 and counts
  // rows through the whole batch. row_bias is not used. A tail of a transposed convolution finds
  // c_row apart the pixels of row0, row0 + stride, ...
  Epilogue epilogue = {};
  int64_t residual_batch = 0;
};

// ---- convolution: weights are [out_channels, in_channels / groups, kernel...], as ONNX has them.

int64_t conv_packed_floats(Isa isa, const Conv& conv);
void conv_pack(Isa isa, const Conv& conv, const float* weights, float* packed);
// Depends on sizes and strides only. Throws planish::Error if the size does not fit.
int64_t conv_scratch_bytes(Isa isa, const Conv& conv, int threads);
void conv(Isa isa, const Conv& conv, void* scratch, ThreadPool& pool);

// ---- transposed convolution: weights are [in_channels, out_channels / groups, kernel...]. `pad`
// is ONNX's begin; output_padding only makes `out` larger. How weights are packed depends on `pad`,
// not on `in` and `out`.

int64_t deconv_packed_floats(Isa isa, const Conv& conv);
void deconv_pack(Isa isa, const Conv& conv, const float* weights, float* packed);
int64_t deconv_scratch_bytes(Isa isa, const Conv& conv, int threads);
void deconv(Isa isa, const Conv& conv, void* scratch, ThreadPool& pool);

}  // namespace planish::cpu
