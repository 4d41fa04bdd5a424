// SPDX-License-Identifier: Apache-2.0
#pragma once

// What convolution and transposed convolution share: output pixels and kernel taps on evenly spaced
// points.

#include <cstdint>

#include "backend/cpu/kernels/conv.h"

namespace planish {
class ThreadPool;
}

namespace planish::cpu {

// One dimension. Output pixel out_first + j * out_step, 0 <= j < count, sees through tap t, 0 <= t
// < taps, input position first + j * in_step + t * tap_step (outside [0, in_size): zero), weighted
// by kernel element kernel_first + t * kernel_step.
struct LatticeAxis {
  int64_t out_first = 0, out_step = 1, count = 0;
  int64_t in_size = 0, first = 0, in_step = 1;
  int64_t taps = 0, tap_step = 1;
  int64_t kernel_first = 0, kernel_step = 1;

  // Input positions from the first pixel's first tap to pixel n - 1's last tap.
  int64_t span(int64_t n) const;
  bool inside() const { return first >= 0 && first + span(count) <= in_size; }
};

struct Lattice {
  LatticeAxis axis[3];
  int64_t taps() const { return axis[0].taps * axis[1].taps * axis[2].taps; }
};

// The packed weights of one lattice: for each group a packed B [taps * in_channels / groups,
// out_channels / groups].
int64_t lattice_packed_floats(Isa isa, const Conv& conv, const Lattice& lattice);

// weight(k, c, o) = weights[offset(kernel element) + c * c_stride + o * o_stride] within the group,
// whose first element is group_stride from the one before.
struct WeightStrides {
  int64_t group, in_channel, out_channel, kernel[3];
};
void lattice_pack(Isa isa, const Conv& conv, const Lattice& lattice, const WeightStrides& strides,
                  const float* weights, float* packed);

int64_t lattice_scratch_bytes(const Conv& conv, const Lattice& lattice, int threads);
void lattice_run(Isa isa, const Conv& conv, const Lattice& lattice, const float* packed,
                 void* scratch, ThreadPool& pool);

}  // namespace planish::cpu
