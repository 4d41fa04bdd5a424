// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/conv.h"

#include "backend/cpu/kernels/conv_lattice.h"
#include "backend/cpu/kernels/gemm.h"

namespace planish::cpu {
namespace {

Lattice lattice_of(const Conv& c) {
  Lattice lattice;
  for (int i = 0; i < 3; ++i) {
    LatticeAxis& axis = lattice.axis[i];
    axis.count = c.out[i];
    axis.in_size = c.in[i];
    axis.first = -c.pad[i];
    axis.in_step = c.stride[i];
    axis.taps = c.kernel[i];
    axis.tap_step = c.dilation[i];
  }
  return lattice;
}

// Whether the convolution is one matrix product over all pixels of the batch.
bool is_product(const Conv& c) {
  int64_t pixels = 1;
  for (int i = 0; i < 3; ++i) {
    if (c.kernel[i] != 1 || c.stride[i] != 1 || c.pad[i] != 0 || c.in[i] != c.out[i]) return false;
    pixels *= c.out[i];
  }
  const Epilogue& e = c.epilogue;
  return c.groups == 1 && !c.x_planar &&
         (c.batch == 1 || (c.x_batch == pixels * c.x_pixel && c.y_batch == pixels * c.y_pixel &&
                           (e.residual == nullptr || c.residual_batch == pixels * e.residual_row)));
}

Gemm product_of(const Conv& c) {
  Gemm g{.m = c.batch * c.out[0] * c.out[1] * c.out[2], .n = c.out_channels, .k = c.in_channels};
  g.a = c.x;
  g.a_row = c.x_pixel;
  g.b = c.weights;
  g.b_packed = true;
  g.c = c.y;
  g.c_row = c.y_pixel;
  g.epilogue = c.epilogue;
  g.epilogue.row_bias = nullptr;
  return g;
}

}  // namespace

int64_t conv_packed_floats(Isa isa, const Conv& conv) {
  return lattice_packed_floats(isa, conv, lattice_of(conv));
}

void conv_pack(Isa isa, const Conv& conv, const float* weights, float* packed) {
  const int64_t in = conv.in_channels / conv.groups, out = conv.out_channels / conv.groups;
  const int64_t* k = conv.kernel;
  const int64_t taps = k[0] * k[1] * k[2];
  const WeightStrides strides = {.group = out * in * taps,
                                 .in_channel = taps,
                                 .out_channel = in * taps,
                                 .kernel = {k[1] * k[2], k[2], 1}};
  lattice_pack(isa, conv, lattice_of(conv), strides, weights, packed);
}

int64_t conv_scratch_bytes(Isa, const Conv& conv, int threads) {
  return is_product(conv) ? 0 : lattice_scratch_bytes(conv, lattice_of(conv), threads);
}

void conv(Isa isa, const Conv& conv, void* scratch, ThreadPool& pool) {
  if (is_product(conv)) {
    gemm(isa, product_of(conv), nullptr, pool);
  } else {
    lattice_run(isa, conv, lattice_of(conv), conv.weights, scratch, pool);
  }
}

}  // namespace planish::cpu
