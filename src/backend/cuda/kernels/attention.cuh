// SPDX-License-Identifier: Apache-2.0
// y[b, h, i] = sum over j of p[j] v[b, g, j] with g = h / (heads / kv_heads) and
//   p = softmax over j of scale q[b, h, i] . k[b, g, j] + mask[b, h, i, j],
// in one pass over the keys (online softmax). Rows that see no key give 0.
//
// attention_kernel: f16 and bf16 on the matrix units (bf16 needs sm_80). A block of kWarps warps
//   takes 16 * kWarps queries of one head; keys and values come in tiles of kTileKeys, two tiles
//   of each in flight.
// attention_simt_kernel: any element types, f32 arithmetic without matrix units, one warp a query.
//
//   struct Config {
//     using Input = f16; using Output = f16;
//     using Mask = f16;  // f16, bf16, f32: added; boolean: what is false is not seen
//     static constexpr int kHead = 64, kHeadV = 64;  // elements of a head of q and k, of v: <= 256
//     static constexpr int kWarps = 4, kTileKeys = 64;
//     static constexpr int kVector = 8;  // strides and addresses of q, k, v are multiples of it
//     static constexpr bool kHasMask = false, kCausal = false, kSoftcap = false;
//   };
// kCausal: query i sees keys j <= i + causal_offset; with `window` > 0 only the last `window` of
//   these. kSoftcap: logits x become softcap * tanh(x / softcap) before the mask.
// lengths, if not 0: i64 keys of each batch that are seen, at most `keys`.
//
// Strides in elements; the elements of a head are contiguous. The mask's may be 0 (broadcast).
// Grid: x = batches * ceil(queries / (16 kWarps)), simt: batches * ceil(queries / kWarps); y =
// heads. Threads 32 * kWarps. Shared memory attention_shared_bytes(), simt: none.
// Cost: flops 4 b heads queries keys head (half if causal); bytes q + y once, k + v once a block
// row.
#pragma once

#include "lanes.cuh"
#include "mma_tile.cuh"
#include "tail.cuh"

namespace planish {

struct AttentionParams {
  u64 q;
  u64 k;
  u64 v;
  u64 mask;
  u64 lengths;
  u64 y;
  i64 q_batch, q_head, q_row;
  i64 k_batch, k_head, k_row;
  i64 v_batch, v_head, v_row;
  i64 y_batch, y_head, y_row;
  i64 mask_batch, mask_head, mask_row, mask_column;
  i32 queries;
  i32 keys;
  i32 heads_per_kv;  // heads / kv_heads
  i32 causal_offset;
  i32 window;  // 0: none
  f32 scale;
  f32 softcap;
  i32 unused;
};

PLANISH_CONSTEXPR i32 attention_shared_bytes(i32 head, i32 head_v, i32 warps, i32 tile_keys) {
  const i32 wide = (head + 15) / 16 * 16;
  const i32 wide_v = (head_v + 15) / 16 * 16;
  return 2 * (16 * warps * wide + 2 * tile_keys * (wide + wide_v));
}

namespace attention_detail {

// exp2_approx(kHidden) is 0; finite, so that differences are numbers.
inline constexpr float kHidden = -1e30f;

// The keys that queries [first, last] may see: [begin, end).
struct Range {
  i32 begin;
  i32 end;
};
template <class Config>
PLANISH_DEVICE Range visible(const AttentionParams& p, i32 batch, i32 first, i32 last) {
  Range r{0, p.keys};
  if (p.lengths != 0) {
    const i64 length = load(pointer<const i64>(p.lengths) + batch);
    r.end = length < 0 ? 0 : length < p.keys ? static_cast<i32>(length) : p.keys;
  }
  if constexpr (Config::kCausal) {
    r.end = least(r.end, last + p.causal_offset + 1);
    if (p.window > 0) r.begin = most(0, first + p.causal_offset + 1 - p.window);
  }
  return r;
}

// A logit before softmax, in units of log 2: scaled, capped, masked.
template <class Config>
PLANISH_DEVICE float logit(const AttentionParams& p, float product,
                           const typename Config::Mask* mask, i32 query, i32 key, i32 end) {
  constexpr float kLog2e = 1.4426950408889634f;
  bool is_seen = key < end && query < p.queries;
  if constexpr (Config::kCausal) {
    is_seen = is_seen && key <= query + p.causal_offset &&
              (p.window <= 0 || key > query + p.causal_offset - p.window);
  }
  if (!is_seen) return kHidden;
  float x = product * p.scale;
  if constexpr (Config::kSoftcap) x = p.softcap * pointwise::tanh(x / p.softcap);
  if constexpr (Config::kHasMask) {
    const auto m = pointwise::computed(load(mask + query * p.mask_row + key * p.mask_column));
    if constexpr (kSame<typename Config::Mask, boolean>) {
      if (!m) return kHidden;
    } else {
      x += m;
    }
  }
  // Minus infinity hides a key; NaN stays.
  return x < kHidden ? kHidden : x * kLog2e;
}

template <class Config>
struct Flash {
  using T = typename Config::Input;
  static constexpr int kHead = (Config::kHead + 15) / 16 * 16;
  static constexpr int kHeadV = (Config::kHeadV + 15) / 16 * 16;
  static constexpr int kQueries = 16 * Config::kWarps, kKeys = Config::kTileKeys;
  static constexpr int kThreads = 32 * Config::kWarps;
  static constexpr int kChunks = kHead / 8, kChunksV = kHeadV / 8;
  static_assert(kIsHalf<T>, "the matrix units take f16 and bf16 here");
  static_assert(kKeys % 16 == 0 && kHead <= 256 && kHeadV <= 256, "heads have up to 256 elements");
  using CopyQ = TileCopy<T, kQueries, kHead, kThreads, Config::kVector>;
  using CopyK = TileCopy<T, kKeys, kHead, kThreads, Config::kVector>;
  using CopyV = TileCopy<T, kKeys, kHeadV, kThreads, Config::kVector>;

  u32 q[kHead / 16][4];
  float sums[kHeadV / 8][4];
  float largest[2];  // of the rows lane / 4 and lane / 4 + 8
  float totals[2];   // this lane's part

  static PLANISH_DEVICE Shared<T> tile_q() { return shared_array<T>(0); }
  static PLANISH_DEVICE Shared<T> tile_k(int stage) {
    return shared_array<T>(static_cast<u32>(2 * (kQueries + stage * kKeys) * kHead));
  }
  static PLANISH_DEVICE Shared<T> tile_v(int stage) {
    return shared_array<T>(
        static_cast<u32>(2 * ((kQueries + 2 * kKeys) * kHead + stage * kKeys * kHeadV)));
  }

  PLANISH_DEVICE void clear() {
    PLANISH_UNROLL
    for (int j = 0; j < kHeadV / 8; ++j) {
      PLANISH_UNROLL
      for (int e = 0; e < 4; ++e) sums[j][e] = 0;
    }
    largest[0] = largest[1] = kHidden;
    totals[0] = totals[1] = 0;
  }

  PLANISH_DEVICE void read_q() {
    const int lane = static_cast<int>(lane_index());
    const int row = static_cast<int>(warp_index()) * 16 + lane % 16;
    PLANISH_UNROLL
    for (int k = 0; k < kHead / 16; ++k) {
      load_matrix(q[k], tile_q(),
                  row * kHead + mma_detail::place<kChunks>(row, 2 * k + lane / 16) * 8);
    }
  }

  PLANISH_DEVICE void products(float (&s)[kKeys / 8][4], Shared<T> k_tile) const {
    const int lane = static_cast<int>(lane_index());
    PLANISH_UNROLL
    for (int j = 0; j < kKeys / 8; ++j) {
      PLANISH_UNROLL
      for (int e = 0; e < 4; ++e) s[j][e] = 0;
    }
    PLANISH_UNROLL
    for (int k = 0; k < kHead / 16; ++k) {
      PLANISH_UNROLL
      for (int j = 0; j < kKeys / 16; ++j) {
        const int row = 16 * j + lane / 16 * 8 + lane % 8;
        u32 all[4];
        load_matrix(all, k_tile,
                    row * kHead + mma_detail::place<kChunks>(row, 2 * k + lane / 8 % 2) * 8);
        const u32 low[2] = {all[0], all[1]};
        const u32 high[2] = {all[2], all[3]};
        mma(T{}, s[2 * j], q[k], low);
        mma(T{}, s[2 * j + 1], q[k], high);
      }
    }
  }

  // Turns logits into powers relative to the new largest, and rescales what was summed before.
  PLANISH_DEVICE void normalise(float (&s)[kKeys / 8][4]) {
    PLANISH_UNROLL
    for (int half = 0; half < 2; ++half) {
      float top = largest[half];
      PLANISH_UNROLL
      for (int j = 0; j < kKeys / 8; ++j) {
        top = Largest::join(top, Largest::join(s[j][2 * half], s[j][2 * half + 1]));
      }
      top = Largest::join(top, shuffle_xor(top, 1));
      top = Largest::join(top, shuffle_xor(top, 2));
      const float shrink = exp2_approx(largest[half] - top);
      largest[half] = top;
      totals[half] *= shrink;
      PLANISH_UNROLL
      for (int j = 0; j < kHeadV / 8; ++j) {
        sums[j][2 * half] *= shrink;
        sums[j][2 * half + 1] *= shrink;
      }
      PLANISH_UNROLL
      for (int j = 0; j < kKeys / 8; ++j) {
        PLANISH_UNROLL
        for (int e = 2 * half; e < 2 * half + 2; ++e) {
          s[j][e] = s[j][e] == kHidden ? 0.0f : exp2_approx(s[j][e] - top);
          totals[half] += s[j][e];
        }
      }
    }
  }

  PLANISH_DEVICE void add_values(const float (&s)[kKeys / 8][4], Shared<T> v_tile) {
    const int lane = static_cast<int>(lane_index());
    PLANISH_UNROLL
    for (int k = 0; k < kKeys / 16; ++k) {
      const u32 a[4] = {pack_pair(T{}, s[2 * k][0], s[2 * k][1]),
                        pack_pair(T{}, s[2 * k][2], s[2 * k][3]),
                        pack_pair(T{}, s[2 * k + 1][0], s[2 * k + 1][1]),
                        pack_pair(T{}, s[2 * k + 1][2], s[2 * k + 1][3])};
      PLANISH_UNROLL
      for (int j = 0; j < kHeadV / 16; ++j) {
        const int row = 16 * k + lane % 16;
        u32 all[4];
        load_matrix_transposed(
            all, v_tile, row * kHeadV + mma_detail::place<kChunksV>(row, 2 * j + lane / 16) * 8);
        const u32 low[2] = {all[0], all[1]};
        const u32 high[2] = {all[2], all[3]};
        mma(T{}, sums[2 * j], a, low);
        mma(T{}, sums[2 * j + 1], a, high);
      }
    }
  }

  // Divides by the totals and stores the rows `row` and `row` + 8 of this lane's quad.
  template <class Output>
  PLANISH_DEVICE void write(Output* y, i64 y_row, i32 row, i32 queries) const {
    PLANISH_UNROLL
    for (int half = 0; half < 2; ++half) {
      float total = totals[half];
      total += shuffle_xor(total, 1);
      total += shuffle_xor(total, 2);
      const float inverse = total == 0.0f ? 0.0f : 1.0f / total;
      const i32 at = row + 8 * half;
      if (at >= queries) continue;
      PLANISH_UNROLL
      for (int j = 0; j < kHeadV / 8; ++j) {
        const int column = 8 * j + static_cast<int>(lane_index()) % 4 * 2;
        const float two[2] = {sums[j][2 * half] * inverse, sums[j][2 * half + 1] * inverse};
        const int count = least(2, Config::kHeadV - column);
        if (count > 0) store_row(y + at * y_row + column, count, two);
      }
    }
  }
};

}  // namespace attention_detail

template <class Config>
PLANISH_DEVICE void attention_kernel(const AttentionParams& p) {
  using F = attention_detail::Flash<Config>;
  using T = typename Config::Input;
  using Output = typename Config::Output;
  constexpr int kKeys = F::kKeys;
  release_successor();
  wait_for_predecessor();
  const auto head = static_cast<i32>(block_y());
  const i32 blocks = ceil_div(p.queries, F::kQueries);
  const i32 batch = static_cast<i32>(block_x()) / blocks;
  const i32 first = (static_cast<i32>(block_x()) - batch * blocks) * F::kQueries;
  const i64 kv_head = head / p.heads_per_kv;
  const T* q = pointer<const T>(p.q) + batch * p.q_batch + head * p.q_head + first * p.q_row;
  const T* k = pointer<const T>(p.k) + batch * p.k_batch + kv_head * p.k_head;
  const T* v = pointer<const T>(p.v) + batch * p.v_batch + kv_head * p.v_head;
  const auto* mask =
      pointer<const typename Config::Mask>(p.mask) + batch * p.mask_batch + head * p.mask_head;
  const auto range =
      attention_detail::visible<Config>(p, batch, first, least(first + F::kQueries, p.queries) - 1);
  const i32 tiles = ceil_div(most(0, range.end - range.begin), kKeys);
  const auto copy_k = [&](i32 tile) {
    const i32 at = range.begin + tile * kKeys;
    F::CopyK::copy(F::tile_k(tile % 2), k + at * p.k_row, p.k_row, range.end - at, Config::kHead);
  };
  const auto copy_v = [&](i32 tile) {
    const i32 at = range.begin + tile * kKeys;
    F::CopyV::copy(F::tile_v(tile % 2), v + at * p.v_row, p.v_row, range.end - at, Config::kHeadV);
  };

  F flash;
  flash.clear();
  F::CopyQ::copy(F::tile_q(), q, p.q_row, p.queries - first, Config::kHead);
  if (tiles > 0) copy_k(0);
  commit_copies();
  if (tiles > 0) copy_v(0);
  commit_copies();
  const int lane = static_cast<int>(lane_index());
  const i32 row = first + static_cast<i32>(warp_index()) * 16 + lane / 4;
  for (i32 tile = 0; tile < tiles; ++tile) {
    wait_copies<1>();
    sync_block();
    if (tile == 0) flash.read_q();
    if (tile + 1 < tiles) copy_k(tile + 1);
    commit_copies();
    float s[kKeys / 8][4];
    flash.products(s, F::tile_k(tile % 2));
    PLANISH_UNROLL
    for (int j = 0; j < kKeys / 8; ++j) {
      PLANISH_UNROLL
      for (int e = 0; e < 4; ++e) {
        s[j][e] = attention_detail::logit<Config>(
            p, s[j][e], mask, row + e / 2 * 8,
            range.begin + tile * kKeys + 8 * j + lane % 4 * 2 + e % 2, range.end);
      }
    }
    flash.normalise(s);
    wait_copies<1>();
    sync_block();
    if (tile + 1 < tiles) copy_v(tile + 1);
    commit_copies();
    flash.add_values(s, F::tile_v(tile % 2));
  }
  wait_copies<0>();
  flash.write(pointer<Output>(p.y) + batch * p.y_batch + head * p.y_head, p.y_row, row, p.queries);
}

// One warp a query: lanes take keys for the logits, then elements of the head for the sums.
template <class Config>
PLANISH_DEVICE void attention_simt_kernel(const AttentionParams& p) {
  using T = typename Config::Input;
  constexpr int kPerLane = ceil_div(Config::kHeadV, 32);
  release_successor();
  wait_for_predecessor();
  const auto head = static_cast<i32>(block_y());
  const auto lane = static_cast<i32>(lane_index());
  const i32 blocks = ceil_div(p.queries, Config::kWarps);
  const i32 batch = static_cast<i32>(block_x()) / blocks;
  const i32 query = (static_cast<i32>(block_x()) - batch * blocks) * Config::kWarps +
                    static_cast<i32>(warp_index());
  if (query >= p.queries) return;
  const i64 kv_head = head / p.heads_per_kv;
  const T* q = pointer<const T>(p.q) + batch * p.q_batch + head * p.q_head + query * p.q_row;
  const T* k = pointer<const T>(p.k) + batch * p.k_batch + kv_head * p.k_head;
  const T* v = pointer<const T>(p.v) + batch * p.v_batch + kv_head * p.v_head;
  const auto* mask =
      pointer<const typename Config::Mask>(p.mask) + batch * p.mask_batch + head * p.mask_head;
  const auto range = attention_detail::visible<Config>(p, batch, query, query);
  float sums[kPerLane] = {};
  float largest = attention_detail::kHidden;
  float total = 0;
  for (i32 first = range.begin; first < range.end; first += 32) {
    const i32 key = first + lane;
    float product = 0;
    if (key < range.end) {
      for (int d = 0; d < Config::kHead; ++d) {
        product += static_cast<float>(pointwise::computed(load(q + d))) *
                   static_cast<float>(pointwise::computed(load(k + key * p.k_row + d)));
      }
    }
    const float x = attention_detail::logit<Config>(p, product, mask, query, key, range.end);
    const float top = Largest::join(largest, fold_warp<Largest>(x));
    const float shrink = exp2_approx(largest - top);
    largest = top;
    const float power = x == attention_detail::kHidden ? 0.0f : exp2_approx(x - top);
    total = total * shrink + power;
    PLANISH_UNROLL
    for (int i = 0; i < kPerLane; ++i) sums[i] *= shrink;
    for (i32 j = 0; j < 32; ++j) {
      const float weight = shuffle_from(power, static_cast<u32>(j));
      if (first + j >= range.end) continue;
      PLANISH_UNROLL
      for (int i = 0; i < kPerLane; ++i) {
        const i32 d = lane + 32 * i;
        if (d >= Config::kHeadV) continue;
        const T element = load(v + (first + j) * p.v_row + d);
        sums[i] += weight * static_cast<float>(pointwise::computed(element));
      }
    }
  }
  total = fold_warp<Sum>(total);
  const float inverse = total == 0.0f ? 0.0f : 1.0f / total;
  auto* y =
      pointer<typename Config::Output>(p.y) + batch * p.y_batch + head * p.y_head + query * p.y_row;
  PLANISH_UNROLL
  for (int i = 0; i < kPerLane; ++i) {
    float x[1] = {sums[i] * inverse};
    if (lane + 32 * i < Config::kHeadV) store_row(y + lane + 32 * i, 1, x);
  }
}

}  // namespace planish
