// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernels/attention.h"

#include "backend/cpu/kernels/copy.h"
#include "backend/cpu/kernels/reduce_lanes.h"

namespace planish::cpu::PLANISH_ISA {

namespace {

constexpr int64_t kKeys = 128;    // keys of a block
constexpr int64_t kQueries = 32;  // queries whose scores are held at once
// Fewer queries than this read the keys as they lie; more of them transpose a block first.
constexpr int64_t kFewQueries = 4;
#if defined(__AVX512F__)
constexpr int kTileRows = 8;
#else
constexpr int kTileRows = 6;
#endif

// C (+)= a b on tiles.

// `rows` rows by two vectors (or one); the last vector has `part` lanes.
template <int rows, int vectors>
PLANISH_INLINE void tile(const float* a, int64_t a_stride, const float* b, int64_t b_stride,
                         float* c, int64_t c_stride, int64_t depth, int part) {
  const auto read = [part](const float* p, int i) __attribute__((always_inline)) {
    return i + 1 == vectors ? load_up_to(p + i * kLanes, part) : Vec::load(p + i * kLanes);
  };
  Vec acc[rows][vectors];
  for (int r = 0; r < rows; ++r) {
    for (int i = 0; i < vectors; ++i) acc[r][i] = zero();
  }
  for (int64_t p = 0; p < depth; ++p) {
    Vec column[vectors];
    for (int i = 0; i < vectors; ++i) column[i] = read(b + p * b_stride, i);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const Vec x = Vec::broadcast(a[r * a_stride + p]);
      for (int i = 0; i < vectors; ++i) acc[r][i] = fma(x, column[i], acc[r][i]);
    }
  }
  for (int r = 0; r < rows; ++r) {
    for (int i = 0; i < vectors; ++i) {
      float* to = c + r * c_stride + i * kLanes;
      const Vec value = acc[r][i] + read(c + r * c_stride, i);
      if (i + 1 == vectors) {
        store_up_to(value, to, part);
      } else {
        value.store(to);
      }
    }
  }
}

template <int rows>
void tile_row(const float* a, int64_t a_stride, const float* b, int64_t b_stride, float* c,
              int64_t c_stride, int64_t cols, int64_t depth) {
  int64_t n = 0;
  for (; n + 2 * kLanes <= cols; n += 2 * kLanes) {
    tile<rows, 2>(a, a_stride, b + n, b_stride, c + n, c_stride, depth, kLanes);
  }
  for (; n < cols; n += kLanes) {
    const int part = static_cast<int>(least<int64_t>(kLanes, cols - n));
    tile<rows, 1>(a, a_stride, b + n, b_stride, c + n, c_stride, depth, part);
  }
}

void multiply(const float* a, int64_t a_stride, const float* b, int64_t b_stride, float* c,
              int64_t c_stride, int64_t rows, int64_t cols, int64_t depth) {
  int64_t r = 0;
  const auto step = [&](auto count) {
    constexpr int kRows = decltype(count)::value;
    for (; r + kRows <= rows; r += kRows) {
      tile_row<kRows>(a + r * a_stride, a_stride, b, b_stride, c + r * c_stride, c_stride, cols,
                      depth);
    }
  };
  step(std::integral_constant<int, kTileRows>{});
  step(std::integral_constant<int, 4>{});
  step(std::integral_constant<int, 1>{});
}

// One block of keys.

// scores[j] = q . key j
void dot_keys(const float* q, const float* k, int64_t k_stride, int64_t keys, int64_t depth,
              float* scores) {
  const auto dots = [&](auto count, int64_t j) {
    constexpr int kCount = decltype(count)::value;
    Vec acc[kCount];
    for (int i = 0; i < kCount; ++i) acc[i] = zero();
    for (int64_t d = 0; d < depth; d += kLanes) {
      const Vec x = load_up_to(q + d, depth - d);
      for (int i = 0; i < kCount; ++i) {
        acc[i] = fma(x, load_up_to(k + (j + i) * k_stride + d, depth - d), acc[i]);
      }
    }
    for (int i = 0; i < kCount; ++i) scores[j + i] = sum(acc[i]);
  };
  int64_t j = 0;
  for (; j + 4 <= keys; j += 4) dots(std::integral_constant<int, 4>{}, j);
  for (; j < keys; ++j) dots(std::integral_constant<int, 1>{}, j);
}

// Scale, cap and mask the scores of one query; keys from `seen` on are hidden.
void finish_scores(const AttentionParams& p, const float* mask, int64_t keys, int64_t seen,
                   float* scores) {
  const Vec scale = Vec::broadcast(p.scale);
  for (int64_t j = 0; j < keys; j += kLanes) {
    const int64_t left = keys - j;
    Vec s = load_up_to(scores + j, left) * scale;
    if (p.softcap != 0) {
      s = Vec::broadcast(p.softcap) * tanh(s / Vec::broadcast(p.softcap));
    }
    if (mask != nullptr) {
      s = s + (p.mask_k == 0 ? Vec::broadcast(*mask) : load_up_to(mask + j, left));
    }
    store_up_to(s, scores + j, left);
  }
  for (int64_t j = greatest<int64_t>(seen, 0); j < keys; ++j) scores[j] = -kInfinity;
}

struct Running {
  float largest;
  float total;
};

// Turns scores into weights relative to the running maximum; gives the factor by which what was
// summed before shrinks.
float update(Running& running, float* scores, int64_t keys) {
  const Vec lanes = fold_run(
      scores, keys, -kInfinity, [](Vec v) { return v; },
      [](Vec a, Vec b) { return max_keep2(b, a); });
  const float block = fold_lanes(lanes, [](float a, float b) { return a > b ? a : b; });
  const float largest = greatest(running.largest, block);
  const Vec shift = Vec::broadcast(largest == -kInfinity ? 0.0f : largest);
  Vec total = zero();
  for (int64_t j = 0; j < keys; j += kLanes) {
    const int64_t left = keys - j;
    const Vec e = exp(load_up_to(scores + j, left) - shift);
    store_up_to(e, scores + j, left);
    total = total + (left >= kLanes ? e : select(first_lanes(left), e, zero()));
  }
  float factor = 1.0f;
  if (running.largest != largest) {
    alignas(64) float lane[kLanes];
    exp(Vec::broadcast(running.largest - largest)).store(lane);
    factor = lane[0];
  }
  running.largest = largest;
  running.total = running.total * factor + sum(total);
  return factor;
}

void scale_row(float* x, int64_t n, float factor) {
  const Vec f = Vec::broadcast(factor);
  for (int64_t i = 0; i < n; i += kLanes) {
    store_up_to(load_up_to(x + i, n - i) * f, x + i, n - i);
  }
}

// The operands of one batch and head.
struct Head {
  const float* q;
  const float* k;
  const float* v;
  const float* mask;
  float* out;
};

Head head_at(const AttentionParams& p, int64_t batch, int64_t head) {
  const int64_t shared = head / (p.heads / p.kv_heads);
  return {p.q + batch * p.q_strides.batch + head * p.q_strides.head,
          p.k + batch * p.k_strides.batch + shared * p.k_strides.head,
          p.v + batch * p.v_strides.batch + shared * p.v_strides.head,
          p.mask == nullptr ? nullptr : p.mask + batch * p.mask_batch + head * p.mask_head,
          p.out + batch * p.out_strides.batch + head * p.out_strides.head};
}

// Queries [first, first + rows), at most kQueries, against keys [key, key + keys).
void attend_block(const AttentionParams& p, const Head& head, const float* transposed,
                  int64_t first, int64_t rows, int64_t key, int64_t keys, Running* running) {
  alignas(64) float scores[kQueries * kKeys];
  const float* q = head.q + first * p.q_strides.position;
  const float* k = head.k + key * p.k_strides.position;
  float* out = head.out + first * p.out_strides.position;
  if (transposed != nullptr) {
    for (int64_t i = 0; i < rows * kKeys; ++i) scores[i] = 0;
    multiply(q, p.q_strides.position, transposed, kKeys, scores, kKeys, rows, keys, p.head_size);
  } else {
    for (int64_t r = 0; r < rows; ++r) {
      dot_keys(q + r * p.q_strides.position, k, p.k_strides.position, keys, p.head_size,
               scores + r * kKeys);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t seen = p.causal ? first + r + p.causal_offset - key + 1 : keys;
    const float* mask =
        head.mask == nullptr ? nullptr : head.mask + (first + r) * p.mask_q + key * p.mask_k;
    finish_scores(p, mask, keys, seen, scores + r * kKeys);
    const float factor = update(running[r], scores + r * kKeys, keys);
    if (factor != 1.0f) scale_row(out + r * p.out_strides.position, p.v_head_size, factor);
  }
  multiply(scores, kKeys, head.v + key * p.v_strides.position, p.v_strides.position, out,
           p.out_strides.position, rows, p.v_head_size, keys);
}

void attend(const AttentionParams& p, int64_t batch, int64_t head_index, int64_t first,
            int64_t rows) {
  alignas(64) float transposed[kMaxHeadSize * kKeys];
  Running running[kAttentionRows];
  const Head head = head_at(p, batch, head_index);
  for (int64_t r = 0; r < rows; ++r) {
    running[r] = {-kInfinity, 0};
    float* out = head.out + (first + r) * p.out_strides.position;
    for (int64_t i = 0; i < p.v_head_size; ++i) out[i] = 0;
  }
  const int64_t last_seen =
      p.causal ? least(p.k_length, first + rows + p.causal_offset) : p.k_length;
  for (int64_t key = 0; key < last_seen; key += kKeys) {
    const int64_t keys = least(kKeys, last_seen - key);
    const bool transpose = rows >= kFewQueries;
    if (transpose) {
      kCopy.transpose4(head.k + key * p.k_strides.position, p.k_strides.position, transposed, kKeys,
                       keys, p.head_size);
    }
    for (int64_t r = 0; r < rows; r += kQueries) {
      const int64_t some = least(kQueries, rows - r);
      if (p.causal && first + r + some + p.causal_offset <= key) continue;
      attend_block(p, head, transpose ? transposed : nullptr, first + r, some, key, keys,
                   running + r);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    // Of nothing but hidden keys, the sum is 0 already.
    if (running[r].largest == -kInfinity && running[r].total == 0) continue;
    scale_row(head.out + (first + r) * p.out_strides.position, p.v_head_size,
              1.0f / running[r].total);
  }
}

}  // namespace

extern const AttentionTable kAttention;
constinit const AttentionTable kAttention = {attend};

}  // namespace planish::cpu::PLANISH_ISA
