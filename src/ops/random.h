// SPDX-License-Identifier: Apache-2.0
// Random numbers of one draw of one node. The same node in the same place of a run draws the same
// numbers on every machine; with a seed attribute every draw of the node is the same.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "base/hash.h"
#include "ops/op.h"

namespace planish {

class Random {
 public:
  explicit Random(KernelContext& c) {
    if (c.attributes().has("seed"))
      state_ = std::bit_cast<uint64_t>(c.attributes().real("seed"));
    else
      state_ = hash64(c.node()) + c.budget().next_draw() * 0x9E3779B97F4A7C15u;
    next();
  }

  // SplitMix64 (Steele, Lea, Flood 2014).
  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  // Mean 0, variance 1 (Box and Muller).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }

 private:
  uint64_t state_;
};

}  // namespace planish
