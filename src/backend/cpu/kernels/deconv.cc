// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>
#include <numeric>

#include "backend/cpu/kernels/conv.h"
#include "backend/cpu/kernels/conv_lattice.h"
#include "backend/cpu/kernels/partition.h"

namespace planish::cpu {
namespace {

// Output pixels o = phase + j * stride see kernel element k at input position (o + pad - k *
// dilation) / stride where that is whole: for every (stride / gcd)-th element, gcd that of stride
// and dilation. Taps are counted from the last such element, so that positions rise.
LatticeAxis phase_axis(const Conv& c, int i, int64_t phase) {
  LatticeAxis axis;
  const int64_t stride = c.stride[i], dilation = c.dilation[i];
  axis.out_first = phase;
  axis.out_step = stride;
  axis.count = phase < c.out[i] ? divide_up(c.out[i] - phase, stride) : 0;
  axis.in_size = c.in[i];
  const int64_t common = std::gcd(stride, dilation), period = stride / common;
  const int64_t shifted = phase + c.pad[i];
  int64_t first = 0;
  while (first < period && first < c.kernel[i] && (shifted - first * dilation) % stride != 0)
    ++first;
  if (first >= period || first >= c.kernel[i]) return axis;
  axis.taps = (c.kernel[i] - 1 - first) / period + 1;
  axis.tap_step = dilation / common;
  axis.kernel_first = first + (axis.taps - 1) * period;
  axis.kernel_step = -period;
  axis.first = (shifted - axis.kernel_first * dilation) / stride;
  return axis;
}

// Calls visit(lattice) for each phase, those without an output pixel included: the packed weights
// of all of them lie one after another, whatever the size of the image.
template <class Visit>
void for_each_phase(const Conv& c, Visit visit) {
  for (int64_t d = 0; d < c.stride[0]; ++d) {
    for (int64_t h = 0; h < c.stride[1]; ++h) {
      for (int64_t w = 0; w < c.stride[2]; ++w) {
        visit(Lattice{{phase_axis(c, 0, d), phase_axis(c, 1, h), phase_axis(c, 2, w)}});
      }
    }
  }
}

bool is_empty(const Lattice& lattice) {
  return std::any_of(std::begin(lattice.axis), std::end(lattice.axis),
                     [](const LatticeAxis& axis) { return axis.count == 0; });
}

}  // namespace

int64_t deconv_packed_floats(Isa isa, const Conv& conv) {
  int64_t floats = 0;
  for_each_phase(
      conv, [&](const Lattice& lattice) { floats += lattice_packed_floats(isa, conv, lattice); });
  return floats;
}

void deconv_pack(Isa isa, const Conv& conv, const float* weights, float* packed) {
  const int64_t in = conv.in_channels / conv.groups, out = conv.out_channels / conv.groups;
  const int64_t* k = conv.kernel;
  const int64_t taps = k[0] * k[1] * k[2];
  const WeightStrides strides = {.group = in * out * taps,
                                 .in_channel = out * taps,
                                 .out_channel = taps,
                                 .kernel = {k[1] * k[2], k[2], 1}};
  for_each_phase(conv, [&](const Lattice& lattice) {
    lattice_pack(isa, conv, lattice, strides, weights, packed);
    packed += lattice_packed_floats(isa, conv, lattice);
  });
}

int64_t deconv_scratch_bytes(Isa, const Conv& conv, int threads) {
  int64_t bytes = 0;
  for_each_phase(conv, [&](const Lattice& lattice) {
    if (is_empty(lattice)) return;
    bytes = std::max(bytes, lattice_scratch_bytes(conv, lattice, threads));
  });
  return bytes;
}

void deconv(Isa isa, const Conv& conv, void* scratch, ThreadPool& pool) {
  const float* packed = conv.weights;
  for_each_phase(conv, [&](const Lattice& lattice) {
    if (!is_empty(lattice)) lattice_run(isa, conv, lattice, packed, scratch, pool);
    packed += lattice_packed_floats(isa, conv, lattice);
  });
}

}  // namespace planish::cpu
