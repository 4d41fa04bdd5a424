// SPDX-License-Identifier: Apache-2.0
// Attention in its plain form (kernels/attention.cuh): heads apart or packed in one row, no cache,
// one output.
#include <algorithm>
#include <cmath>

#include "backend/cuda/compile/axes.h"
#include "backend/cuda/compile/expression_writer.h"
#include "backend/cuda/compile/lowering.h"
#include "backend/cuda/compile/mma_choice.h"
#include "base/str.h"

namespace planish::cuda {
namespace {

constexpr int64_t kMaxHead = 256;

// Q, K, V or Y: [batch, heads, length, size], or [batch, length, heads * size].
struct Heads {
  Dim batch, heads, length;
  int64_t size = 0;
  Dim batch_stride, head_stride, row_stride;
};

std::optional<Heads> heads_of(const ir::Value* v, int64_t count) {
  if (!is_real(v)) return std::nullopt;
  const Shape& s = shape_of(v);
  const std::vector<Dim> dense = dense_strides(s);
  if (!s.back().is_constant()) return std::nullopt;
  Heads h;
  h.batch = s[0];
  h.batch_stride = dense[0];
  if (s.size() == 4) {
    h.heads = s[1];
    h.length = s[2];
    h.size = s[3].value();
    h.head_stride = dense[1];
    h.row_stride = dense[2];
  } else {
    if (s.size() != 3 || count < 1 || s[2].value() % count != 0) return std::nullopt;
    h.heads = count;
    h.length = s[1];
    h.size = s[2].value() / count;
    h.head_stride = h.size;
    h.row_stride = dense[1];
  }
  if (h.size < 1 || h.size > kMaxHead) return std::nullopt;
  return h;
}

// Strides along batch, head, query, key.
std::optional<std::vector<Dim>> mask_strides(StepBuilder& step, const ir::Value* mask,
                                             const Heads& q, const Heads& k) {
  if (mask == nullptr) return std::vector<Dim>(4, Dim(0));
  if (!is_tensor(mask, {DType::kF32, DType::kF16, DType::kBF16, DType::kBool})) return std::nullopt;
  const Shape& s = shape_of(mask);
  // A mask that is shorter than the keys is padded; the portable kernel knows.
  if (s.empty() || !(s.back() == k.length)) return std::nullopt;
  return step.broadcast(s, {q.batch, q.heads, q.length, k.length});
}

int64_t shared_bytes(int64_t head, int64_t head_v, int warps, int tile_keys) {
  const int64_t wide = (head + 15) / 16 * 16, wide_v = (head_v + 15) / 16 * 16;
  return 2 * (16 * warps * wide + 2 * tile_keys * (wide + wide_v));
}

// What all kernels of attention take.
struct Problem {
  Heads q, k, v, y;
  const ir::Value* mask = nullptr;
  std::vector<Dim> mask_strides;
  DType type = DType::kUndefined;
  bool is_causal = false;
  float scale = 1;

  int64_t group() const { return q.heads.value() / k.heads.value(); }
  int vector() const {
    return vector_of(type, {Dim(q.size), Dim(v.size), q.row_stride, k.row_stride, v.row_stride,
                            q.head_stride, k.head_stride, v.head_stride});
  }
};

std::optional<Problem> problem_of(const ir::Node& node, StepBuilder& step) {
  const Attributes& a = node.attributes();
  for (int i = 4; i < 7; ++i)
    if (node.input(i) != nullptr) return std::nullopt;
  for (size_t i = 1; i < node.outputs().size(); ++i)
    if (node.outputs()[i] != nullptr) return std::nullopt;
  if (a.real("softcap", 0) != 0) return std::nullopt;
  const int64_t q_count = a.integer("q_num_heads", 0), kv_count = a.integer("kv_num_heads", 0);
  const auto q = heads_of(node.input(0), q_count), k = heads_of(node.input(1), kv_count),
             v = heads_of(node.input(2), kv_count), y = heads_of(node.output(), q_count);
  if (!q || !k || !v || !y || !q->heads.is_constant() || !k->heads.is_constant() ||
      k->heads.value() < 1 || q->heads.value() % k->heads.value() != 0)
    return std::nullopt;
  const ir::Value* mask = node.input(3);
  const auto strides = mask_strides(step, mask, *q, *k);
  const DType type = node.input(0)->type().dtype;
  for (const ir::Value* other : {node.input(1), node.input(2), node.output()})
    if (other->type().dtype != type) return std::nullopt;
  if (!strides) return std::nullopt;
  const double usual = 1 / std::sqrt(static_cast<double>(q->size));
  return Problem{.q = *q,
                 .k = *k,
                 .v = *v,
                 .y = *y,
                 .mask = mask,
                 .mask_strides = *strides,
                 .type = type,
                 .is_causal = a.integer("is_causal", 0) != 0,
                 .scale = static_cast<float>(a.real("scale", usual))};
}

// The members of Config that all kernels have.
std::string config_text(const Problem& p) {
  const std::string element = concat("planish::", element_name(p.type));
  return concat("  using Input = ", element, ";\n  using Output = ", element,
                ";\n  using Mask = ", p.mask != nullptr ? element_text(p.mask) : element,
                ";\n  static constexpr int kHead = ", p.q.size,
                ";\n  static constexpr bool kHasMask = ", p.mask != nullptr ? "true" : "false",
                ", kCausal = ", p.is_causal ? "true" : "false", ", kSoftcap = false;\n");
}

// The fields of AttentionParams.
void add_fields(const ir::Node& node, const Problem& p, StepBuilder& step, Launch& launch) {
  launch.in(step.input(node.input(0))).in(step.input(node.input(1))).in(step.input(node.input(2)));
  launch.in(step.input(p.mask)).i64(0).out(0);
  for (const Heads* h : {&p.q, &p.k, &p.v, &p.y}) {
    launch.i64_dim(step.dim(h->batch_stride)).i64_dim(step.dim(h->head_stride));
    launch.i64_dim(step.dim(h->row_stride));
  }
  for (const Dim& s : p.mask_strides) launch.i64_dim(step.dim(s));
  launch.i32_dim(step.dim(p.q.length)).i32_dim(step.dim(p.k.length));
  launch.i32(p.group()).i32(0).i32(0).f32(p.scale).f32(0).i32(0);
}

// --- one query a sequence: bound by reading the keys and values
// ----------------------------------------------------------------

// Blocks that share the keys of one head; their number must be known in advance.
int64_t splits_of(const Problem& p, const Lowering& lowering) {
  if (!p.q.batch.is_constant()) return 1;
  const int64_t blocks = std::max<int64_t>(1, p.q.batch.value() * p.k.heads.value());
  constexpr int64_t kFewKeys = 64, kUnknownKeys = 1024;
  const int64_t keys = p.k.length.is_constant() ? p.k.length.value() : kUnknownKeys;
  if (blocks > kMaxCounters) return 1;
  return std::clamp<int64_t>(2 * lowering.multiprocessors / blocks, 1,
                             std::max<int64_t>(1, keys / kFewKeys));
}

std::optional<ref::StepChoice> lower_decoding(const ir::Node& node, Lowering& lowering) {
  StepBuilder step(lowering);
  const auto p = problem_of(node, step);
  if (!p || !(p->q.length == Dim(1)) || p->q.size != p->v.size || p->group() > 8)
    return std::nullopt;
  const int64_t head = p->q.size;
  constexpr int64_t kTogether = 8;  // elements that a lane reads at once
  if (head < kTogether || (head & (head - 1)) != 0) return std::nullopt;
  for (const Heads* h : {&p->q, &p->k, &p->v})
    for (const Dim& stride : {h->batch_stride, h->head_stride, h->row_stride})
      if (!Dim::exact_div(stride, kTogether)) return std::nullopt;
  const int64_t warps = 4, splits = splits_of(*p, lowering);
  Launch launch(
      kernel_source("attention_decode.cuh",
                    concat(config_text(*p), "  static constexpr int kGroup = ", p->group(),
                           ", kWarps = ", warps, ";\n"),
                    static_cast<int>(32 * warps), "AttentionDecodeParams", "attention_decode"));
  add_fields(node, *p, step, launch);
  const Dim blocks = p->q.batch * p->k.heads;
  if (splits > 1)
    launch.scratch(step.scratch(blocks * (splits * p->group() * (head + 2) * 4))).zeros();
  else
    launch.i64(0).i64(0);
  launch.i32_dim(step.dim(p->k.length.ceil_div(splits))).i32_dim(step.dim(p->k.heads));
  launch.grid(step.dim(blocks), step.dim(splits)).threads(static_cast<int>(32 * warps));
  launch.shared(warps * (256 / head) * p->group() * (head + 2) * 4).overlaps();
  step.add(std::move(launch));
  return step.finish(concat("one query, ", splits, " parts of the keys"));
}

// --- many queries
// ----------------------------------------------------------------------------

std::optional<ref::StepChoice> lower_attention(const ir::Node& node, Lowering& lowering) {
  StepBuilder step(lowering);
  const auto p = problem_of(node, step);
  if (!p) return std::nullopt;
  const bool has_mma =
      dtype_bits(p->type) == 16 && (p->type == DType::kF16 || lowering.all_at_least(80));
  const bool is_small = p->q.size <= 64 && p->v.size <= 64;
  // More keys with heads of 128 spill on sm_75; wider ones do not fit there.
  const bool is_tight = !lowering.all_at_least(80) && p->q.size <= 128 && p->v.size <= 128;
  const int warps = 4, tile_keys = is_small ? 64 : is_tight ? 16 : 32;
  Launch launch(kernel_source(
      "attention.cuh",
      concat(config_text(*p), "  static constexpr int kHeadV = ", p->v.size, ", kWarps = ", warps,
             ", kTileKeys = ", tile_keys, ", kVector = ", p->vector(), ";\n"),
      32 * warps, "AttentionParams", has_mma ? "attention" : "attention_simt"));
  add_fields(node, *p, step, launch);
  launch.grid(step.dim(p->q.length.ceil_div(has_mma ? 16 * warps : warps) * p->q.batch),
              step.dim(p->q.heads));
  launch.threads(32 * warps);
  launch.shared(has_mma ? shared_bytes(p->q.size, p->v.size, warps, tile_keys) : 0).overlaps();
  step.add(std::move(launch));
  return step.finish(has_mma ? "online softmax on the matrix units" : "online softmax");
}

const RegisterLowering kDecoding("Attention", lower_decoding, 0);
const RegisterLowering kAttention("Attention", lower_attention, 1);

}  // namespace
}  // namespace planish::cuda
