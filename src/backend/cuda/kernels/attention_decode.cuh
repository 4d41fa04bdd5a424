// SPDX-License-Identifier: Apache-2.0
// Attention of one query a sequence (decoding): as attention.cuh with queries = 1, bound by reading
// keys and values once. A block takes one head of keys and values and all kGroup heads of queries
// that share it; its lanes work in groups of kHead / 8, each on a key of its own. With splits (grid
// y) the keys are cut in ranges; the last block of a head to end joins the parts, in order.
//
//   struct Config {
//     using Input = f16; using Output = f16;   // f16, bf16 or f32 (then 32 bytes a lane)
//     using Mask = f16;                        // as attention.cuh
//     static constexpr int kHead = 128;  // of keys and values: 8 times a power of two, up to 256
//     static constexpr int kGroup = 4;   // heads / kv_heads, up to 8
//     static constexpr int kWarps = 4;
//     static constexpr bool kHasMask = false, kCausal = false, kSoftcap = false;
//   };
// Params are AttentionParams, queries 1, then parts and counters: parts has room for
// grid x * y * kGroup * (kHead + 2) floats, counters for grid x integers, zero before and
// after; both unused if grid y is 1. k_split: keys of a range.
// Grid: x = batches * kv_heads, y = splits. Threads 32 * kWarps, shared memory
// attention_decode_shared_bytes().
// Cost: bytes k + v once; flops 4 heads keys head.
#pragma once

#include "attention.cuh"

namespace planish {

struct AttentionDecodeParams {
  AttentionParams a;
  u64 parts;
  u64 counters;
  i32 k_split;
  i32 kv_heads;
};

PLANISH_CONSTEXPR i32 attention_decode_shared_bytes(i32 head, i32 group, i32 warps) {
  return warps * (256 / head) * group * (head + 2) * 4;
}

template <class Config>
struct Decode {
  using T = typename Config::Input;
  static constexpr int kLanes = Config::kHead / 8;      // of a key
  static constexpr int kTeams = 32 / kLanes;            // of a warp
  static constexpr int kAll = kTeams * Config::kWarps;  // of the block
  static constexpr int kGroup = Config::kGroup, kHead = Config::kHead;
  static constexpr int kState = kHead + 2;  // largest, total, sums
  static_assert(kLanes * kTeams == 32 && kHead % 8 == 0 && kGroup <= 8,
                "heads of 8, 16, 32 ... elements");

  float q[kGroup][8];
  float largest[kGroup];
  float totals[kGroup];
  float sums[kGroup][8];

  static PLANISH_DEVICE int team() {
    return static_cast<int>(warp_index()) * kTeams + static_cast<int>(lane_index()) / kLanes;
  }
  static PLANISH_DEVICE int first() { return static_cast<int>(lane_index()) % kLanes * 8; }
  static PLANISH_DEVICE void read(const T* from, float (&x)[8]) {
    const auto pack = load_pack<8>(from);
    PLANISH_UNROLL
    for (int e = 0; e < 8; ++e) x[e] = static_cast<float>(pointwise::computed(pack.at[e]));
  }

  // One key for each team; those without one take part in the exchange of lanes alone.
  PLANISH_DEVICE void meet(const AttentionParams& p, const T* k, const T* v,
                           const typename Config::Mask* mask, i32 key, i32 end) {
    float x[8] = {};
    float y[8] = {};
    if (key < end) {
      read(k + key * p.k_row + first(), x);
      read(v + key * p.v_row + first(), y);
    }
    PLANISH_UNROLL
    for (int g = 0; g < kGroup; ++g) {
      float dot = 0;
      PLANISH_UNROLL
      for (int e = 0; e < 8; ++e) dot += q[g][e] * x[e];
      PLANISH_UNROLL
      for (u32 step = kLanes / 2; step > 0; step /= 2) dot += shuffle_xor(dot, step);
      const float logit =
          attention_detail::logit<Config>(p, dot, mask + g * p.mask_head, 0, key, end);
      if (logit == attention_detail::kHidden) continue;
      const float top = Largest::join(largest[g], logit);
      const float shrink = exp2_approx(largest[g] - top);
      const float power = exp2_approx(logit - top);
      largest[g] = top;
      totals[g] = totals[g] * shrink + power;
      PLANISH_UNROLL
      for (int e = 0; e < 8; ++e) sums[g][e] = sums[g][e] * shrink + power * y[e];
    }
  }

  PLANISH_DEVICE void keep(Shared<float> room) const {
    PLANISH_UNROLL
    for (int g = 0; g < kGroup; ++g) {
      const int at = (team() * kGroup + g) * kState;
      if (first() == 0) {
        room.set(at, largest[g]);
        room.set(at + 1, totals[g]);
      }
      PLANISH_UNROLL
      for (int e = 0; e < 8; ++e) room.set(at + 2 + first() + e, sums[g][e]);
    }
  }

  // The joined state's element `d` of head g, with its largest and total; part(i, n) is number n of
  // part i.
  struct Joined {
    float largest;
    float total;
    float sum;
  };
  template <class Part>
  static PLANISH_DEVICE Joined join(int parts, int g, int d, Part part) {
    Joined all{attention_detail::kHidden, 0, 0};
    for (int i = 0; i < parts; ++i) all.largest = Largest::join(all.largest, part(i, g * kState));
    for (int i = 0; i < parts; ++i) {
      const float shrink = exp2_approx(part(i, g * kState) - all.largest);
      all.total += shrink * part(i, g * kState + 1);
      all.sum += shrink * part(i, g * kState + 2 + d);
    }
    return all;
  }
};

template <class Config>
PLANISH_DEVICE void attention_decode_kernel(const AttentionDecodeParams& params) {
  using D = Decode<Config>;
  using T = typename Config::Input;
  using Output = typename Config::Output;
  const AttentionParams& p = params.a;
  release_successor();
  wait_for_predecessor();
  const i32 batch = static_cast<i32>(block_x()) / params.kv_heads;
  const i32 kv_head = static_cast<i32>(block_x()) - batch * params.kv_heads;
  const i32 first_head = kv_head * D::kGroup;
  const T* k = pointer<const T>(p.k) + batch * p.k_batch + kv_head * p.k_head;
  const T* v = pointer<const T>(p.v) + batch * p.v_batch + kv_head * p.v_head;
  const auto* mask = pointer<const typename Config::Mask>(p.mask) + batch * p.mask_batch +
                     first_head * p.mask_head;
  const auto range = attention_detail::visible<Config>(p, batch, 0, 0);
  D d{};
  PLANISH_UNROLL
  for (int g = 0; g < D::kGroup; ++g) {
    D::read(pointer<const T>(p.q) + batch * p.q_batch + (first_head + g) * p.q_head + D::first(),
            d.q[g]);
    d.largest[g] = attention_detail::kHidden;
  }
  const bool is_split = grid_y() > 1;
  const i32 begin = range.begin + (is_split ? static_cast<i32>(block_y()) * params.k_split : 0);
  const i32 end = is_split ? least(range.end, begin + params.k_split) : range.end;
  for (i32 key = begin; key < end; key += D::kAll) d.meet(p, k, v, mask, key + D::team(), end);

  const Shared<float> room = shared_array<float>(0);
  d.keep(room);
  sync_block();
  const auto in_block = [&](int i, int n) { return room.get(i * D::kGroup * D::kState + n); };
  const i64 place = block_x();
  constexpr int kPart = D::kGroup * D::kState;
  float* parts = pointer<float>(params.parts) + place * grid_y() * kPart;
  const auto write = [&](int g, int e, const typename D::Joined& all) {
    float y[1] = {all.total == 0.0f ? 0.0f : all.sum / all.total};
    store_row(pointer<Output>(p.y) + batch * p.y_batch + (first_head + g) * p.y_head + e, 1, y);
  };
  for (int i = static_cast<int>(thread_index()); i < D::kGroup * D::kHead;
       i += 32 * Config::kWarps) {
    const int g = i / D::kHead;
    const int e = i % D::kHead;
    const auto all = D::join(D::kAll, g, e, in_block);
    if (!is_split) {
      write(g, e, all);
      continue;
    }
    float* to = parts + block_y() * kPart + g * D::kState;
    if (e == 0) {
      store(to, all.largest);
      store(to + 1, all.total);
    }
    store(to + 2 + e, all.sum);
  }
  if (!is_split) return;
  if (!take_last_ticket(pointer<i32>(params.counters) + place, static_cast<i32>(grid_y()))) return;
  const auto in_parts = [&](int i, int n) { return load_fresh(parts + i * kPart + n); };
  for (int i = static_cast<int>(thread_index()); i < D::kGroup * D::kHead;
       i += 32 * Config::kWarps) {
    write(i / D::kHead, i % D::kHead,
          D::join(static_cast<int>(grid_y()), i / D::kHead, i % D::kHead, in_parts));
  }
}

}  // namespace planish
