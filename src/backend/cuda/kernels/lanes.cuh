// SPDX-License-Identifier: Apache-2.0
// Sums and other folds over the lanes of a warp and the warps of a block. All lanes get the result,
// which is the same on every run.
#pragma once

#include "device.cuh"

namespace planish {

struct Sum {
  static PLANISH_DEVICE float join(float a, float b) { return a + b; }
};
// NaN if any is NaN.
struct Largest {
  static PLANISH_DEVICE float join(float a, float b) {
    return a != a ? a : b > a || b != b ? b : a;
  }
};

template <class Fold, class T>
PLANISH_DEVICE T fold_warp(T x) {
  PLANISH_UNROLL
  for (u32 step = 16; step > 0; step /= 2) x = Fold::join(x, shuffle_xor(x, step));
  return x;
}

// Over all threads of a block of kWarps warps. `room` holds kWarps elements; it may be used again
// after the next barrier behind the call.
template <class Fold, int kWarps, class T>
PLANISH_DEVICE T fold_block(T x, Shared<T> room) {
  x = fold_warp<Fold>(x);
  if constexpr (kWarps == 1) return x;
  if (lane_index() == 0) room.set(static_cast<int>(warp_index()), x);
  sync_block();
  T all = room.get(0);
  PLANISH_UNROLL
  for (int w = 1; w < kWarps; ++w) all = Fold::join(all, room.get(w));
  return all;
}

// Among `blocks` blocks that each have written a part: whether this is the last to come here, which
// then sees all parts (by load_fresh). The counter is zero before and after. Uses the first four
// bytes of shared memory, which must be free; called by all threads.
PLANISH_DEVICE bool take_last_ticket(i32* counter, i32 blocks) {
  fence_device();
  sync_block();
  const Shared<i32> ticket = shared_array<i32>(0);
  if (thread_index() == 0) ticket.set(0, atomic_add(counter, 1));
  sync_block();
  const bool is_last = ticket.get(0) == blocks - 1;
  sync_block();
  if (!is_last) return false;
  fence_device();
  if (thread_index() == 0) store(counter, 0);
  return true;
}

}  // namespace planish
