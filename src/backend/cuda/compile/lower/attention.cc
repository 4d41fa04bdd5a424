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

std::optional<ref::StepChoice> lower_attention(const ir::Node& node, Lowering& lowering) {
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
  StepBuilder step(lowering);
  const auto strides = mask_strides(step, mask, *q, *k);
  if (!strides) return std::nullopt;
  const DType type = node.input(0)->type().dtype;
  for (const ir::Value* other : {node.input(1), node.input(2), node.output()})
    if (other->type().dtype != type) return std::nullopt;
  const bool has_mma = dtype_bits(type) == 16 && (type == DType::kF16 || lowering.all_at_least(80));
  const int vector =
      vector_of(type, {Dim(q->size), Dim(v->size), q->row_stride, k->row_stride, v->row_stride,
                       q->head_stride, k->head_stride, v->head_stride});
  const int warps = 4, tile_keys = q->size <= 64 && v->size <= 64 ? 64 : 32;
  const char* entry = has_mma ? "attention_kernel" : "attention_simt_kernel";
  const std::string element = concat("planish::", element_name(type));
  Launch launch(
      concat("#define PLANISH_DEPENDENT_LAUNCH 1\n#include \"attention.cuh\"\nstruct Config {\n"
             "  using Input = ",
             element, ";\n  using Output = ", element,
             ";\n  using Mask = ", mask != nullptr ? element_text(mask) : element,
             ";\n  static constexpr int kHead = ", q->size, ", kHeadV = ", v->size,
             ", kWarps = ", warps, ", kTileKeys = ", tile_keys, ", kVector = ", vector,
             ";\n  static constexpr bool kHasMask = ", mask != nullptr ? "true" : "false",
             ", kCausal = ", a.integer("is_causal", 0) != 0 ? "true" : "false",
             ", kSoftcap = false;\n};\nextern \"C\" PLANISH_KERNEL(", 32 * warps,
             ", 1) void entry(PLANISH_PARAMS(planish::AttentionParams) p) {\n  planish::", entry,
             "<Config>(p);\n}\n"));
  launch.in(step.input(node.input(0))).in(step.input(node.input(1))).in(step.input(node.input(2)));
  launch.in(step.input(mask)).i64(0).out(0);
  for (const Heads* h : {&*q, &*k, &*v, &*y}) {
    launch.i64_dim(step.dim(h->batch_stride)).i64_dim(step.dim(h->head_stride));
    launch.i64_dim(step.dim(h->row_stride));
  }
  for (const Dim& s : *strides) launch.i64_dim(step.dim(s));
  launch.i32_dim(step.dim(q->length)).i32_dim(step.dim(k->length));
  launch.i32(q->heads.value() / k->heads.value()).i32(0).i32(0);
  const double usual = 1 / std::sqrt(static_cast<double>(q->size));
  launch.f32(static_cast<float>(a.real("scale", usual)));
  launch.f32(0).i32(0);
  launch.grid(step.dim(q->length.ceil_div(has_mma ? 16 * warps : warps) * q->batch),
              step.dim(q->heads));
  launch.threads(32 * warps).shared(has_mma ? shared_bytes(q->size, v->size, warps, tile_keys) : 0);
  launch.overlaps();
  step.add(std::move(launch));
  return step.finish(has_mma ? "online softmax on the matrix units" : "online softmax");
}

const RegisterLowering kAttention("Attention", lower_attention);

}  // namespace
}  // namespace planish::cuda
