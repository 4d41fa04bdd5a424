// SPDX-License-Identifier: Apache-2.0
// One small kernel, right and with a fault planted: y[i] = x[i] + x[reversed i] of each block's
// elements, through shared memory.
#include "lanes.cuh"

namespace planish {

struct Params {
  u64 x;
  u64 y;
  u64 counter;
};

enum Plant {
  kNothing,
  kNoBarrier,
  kNoWait,
  kNoCommit,
  kEarly,
  kPastTheEnd,
  kPastShared,
  kUnwritten,
  kMisaligned,
  kLaneMissing,
  kOtherInstruction,
  kBarrierMissed,
  kBarrierReused,
  kWeightsWritten,
  kTicketUnguarded,
};

template <int plant>
PLANISH_DEVICE void kernel(const Params& p) {
  const int t = static_cast<int>(thread_index());
  const int first = static_cast<int>(block_x() * block_threads());
  const float* x = pointer<const float>(p.x) + first;
  float* y = pointer<float>(p.y) + first;
  const Shared<float> room = shared_array<float>(0);
  if (plant != kEarly) wait_for_predecessor();
  if (plant == kPastTheEnd) x += t == 63 && block_x() == 1 ? 1 : 0;
  if (plant == kPastShared && t == 5) room.set(64, 1.0f);
  if (plant == kMisaligned) {
    const Pack<float, 2> two = load_pack<2>(x + (t == 7 ? 1 : 0));
    room.set(t, two.at[0] * 0);
  }
  copy_async<4>(room, t, x + t, 4);
  if (plant != kNoCommit) commit_copies();
  if (plant != kNoWait) wait_copies<0>();
  if (plant == kBarrierMissed && t >= 32) return;
  if (plant != kNoBarrier) sync_block();
  if (plant == kLaneMissing && t == 40) return;
  float lane = 0;
  if (plant == kOtherInstruction && t % 2 == 1) {
    lane = ballot(true) != 0 ? 1.0f : 0.0f;
  } else {
    lane = shuffle_from(0.0f, 3);
  }
  const float other = plant == kUnwritten ? room.get(64 + t) : room.get(63 - t);
  if (plant == kWeightsWritten) store(const_cast<float*>(x), other);
  if (plant == kBarrierReused) {
    // Overwrites what others may still read.
    room.set(t, 100.0f);
    sync_block();
  }
  store(y + t, load(x + t) + other + lane);
  if (plant == kTicketUnguarded && t == 0) {
    // Counts the blocks with a load and a store where an atomic is due.
    const i32 seen = load(pointer<i32>(p.counter));
    sync_group(1, 32);
    store(pointer<i32>(p.counter), seen + 1);
  } else if (t < 32) {
    if (plant == kTicketUnguarded) sync_group(1, 32);
    if (plant != kTicketUnguarded && t == 0) atomic_add(pointer<i32>(p.counter), 1);
  }
}

}  // namespace planish

#define FAULT(name)                                                               \
  extern "C" PLANISH_KERNEL(64, 1) void name(PLANISH_PARAMS(planish::Params) p) { \
    planish::kernel<planish::name>(p);                                            \
  }
FAULT(kNothing)
FAULT(kNoBarrier)
FAULT(kNoWait)
FAULT(kNoCommit)
FAULT(kEarly)
FAULT(kPastTheEnd)
FAULT(kPastShared)
FAULT(kUnwritten)
FAULT(kMisaligned)
FAULT(kLaneMissing)
FAULT(kOtherInstruction)
FAULT(kBarrierMissed)
FAULT(kBarrierReused)
FAULT(kWeightsWritten)
FAULT(kTicketUnguarded)
