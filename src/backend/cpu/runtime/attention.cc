// SPDX-License-Identifier: Apache-2.0
// cpu.attention: scaled dot-product attention without materialised scores.
//
// Inputs q [b, h, n, d], k [b, g, m, d], v [b, g, m, e], and a mask that is added, or none; output
// [b, h, n, e]; with the attributes q_heads and kv_heads, q [b, n, h * d] and so on. Attributes
// scale, softcap, causal.
#include "backend/cpu/kernels/attention.h"

#include <algorithm>
#include <cmath>

#include "backend/cpu/runtime/step_isa.h"
#include "runtime/step_kernel.h"

namespace planish::cpu {
namespace {

struct AttentionState final : StepState {
  AttentionParams params;
};

// Heads apart, [b, h, n, d], or packed, [b, n, h * d].
struct Heads {
  Heads(const KnownTensor& t, int64_t packed)
      : batch(t.dims[0]),
        count(packed == 0 ? t.dims[1] : packed),
        length(packed == 0 ? t.dims[2] : t.dims[1]),
        size(packed == 0 ? t.dims[3] : t.dims[2] / packed) {
    if (packed == 0)
      strides = {.batch = count * length * size, .head = length * size, .position = size};
    else
      strides = {.batch = count * length * size, .head = size, .position = count * size};
  }
  int64_t batch, count, length, size;
  HeadStrides strides;
};

class AttentionStep final : public StepKernel {
 public:
  explicit AttentionStep(const StepInfo& info)
      : isa_(step_isa(info)),
        scale_(static_cast<float>(info.attributes().real("scale", 0))),
        softcap_(static_cast<float>(info.attributes().real("softcap", 0))),
        causal_(info.attributes().integer("causal", 0) != 0),
        q_heads_(info.attributes().integer("q_heads", 0)),
        kv_heads_(info.attributes().integer("kv_heads", 0)) {
    info.require(q_heads_ >= 0 && kv_heads_ >= 0 && (q_heads_ == 0) == (kv_heads_ == 0),
                 "expected both numbers of heads or none");
    info.require(
        info.has_input(0) && info.has_input(1) && info.has_input(2) && info.wants_output(0),
        "expected queries, keys and values");
  }

  StepBinding bind(const StepShapes& shapes) const override {
    for (int i = 0; i < 3; ++i)
      check_tensor(shapes, shapes.input(i), i == 0 ? q_heads_ : kv_heads_);
    check_tensor(shapes, shapes.output(0), q_heads_);
    const Heads q(shapes.input(0), q_heads_), k(shapes.input(1), kv_heads_);
    const Heads v(shapes.input(2), kv_heads_), y(shapes.output(0), q_heads_);
    auto state = std::make_unique<AttentionState>();
    AttentionParams& p = state->params;
    p.batch = q.batch;
    p.heads = q.count;
    p.q_length = q.length;
    p.head_size = q.size;
    p.kv_heads = k.count;
    p.k_length = k.length;
    p.v_head_size = v.size;
    shapes.require(k.batch == p.batch && v.batch == p.batch && k.size == p.head_size &&
                       v.count == p.kv_heads && v.length == p.k_length && p.kv_heads > 0 &&
                       p.heads % p.kv_heads == 0 && p.head_size > 0 &&
                       p.head_size <= kMaxHeadSize && p.v_head_size <= kMaxHeadSize,
                   "queries, keys and values do not fit each other");
    shapes.require(y.batch == p.batch && y.count == p.heads && y.length == p.q_length &&
                       y.size == p.v_head_size,
                   "the output has another shape");
    p.q_strides = q.strides;
    p.k_strides = k.strides;
    p.v_strides = v.strides;
    p.out_strides = y.strides;
    p.scale = scale_ != 0 ? scale_ : 1.0f / std::sqrt(static_cast<float>(p.head_size));
    p.softcap = softcap_;
    p.causal = causal_;
    p.isa = isa_;
    if (shapes.input(3).present()) bind_mask(shapes, p);
    StepBinding binding;
    binding.state = std::move(state);
    return binding;
  }

  void run(StepContext& c) const override {
    if (c.output(0).count() == 0) return;
    AttentionParams p = static_cast<AttentionState&>(*c.state()).params;
    p.q = c.input(0).as<float>();
    p.k = c.input(1).as<float>();
    p.v = c.input(2).as<float>();
    p.out = c.output(0).as<float>();
    if (p.k_length == 0) {  // a mean of nothing
      std::fill_n(p.out, c.output(0).count(), 0.0F);
      return;
    }
    if (c.has_input(3)) p.mask = c.input(3).as<float>();
    run_attention(p, c.pool());
  }

 private:
  static void check_tensor(const StepShapes& shapes, const KnownTensor& t, int64_t packed) {
    shapes.require(t.dtype == DType::kF32 && t.rank() == (packed == 0 ? 4 : 3),
                   "expected float32 of rank 4, or of rank 3 with packed heads");
    shapes.require(packed == 0 || t.dims[2] % packed == 0, "a row is no multiple of the heads");
  }

  static void bind_mask(const StepShapes& shapes, AttentionParams& p) {
    const KnownTensor& m = shapes.input(3);
    shapes.require(m.dtype == DType::kF32 && m.rank() >= 1 && m.rank() <= 4,
                   "expected a float32 mask of rank 1 to 4");
    // A mask shorter than the keys goes on with minus infinity: those have no weight.
    shapes.require(m.dims.back() <= p.k_length, "the mask is longer than the keys");
    p.k_length = m.dims.back();
    const int64_t wanted[4] = {p.batch, p.heads, p.q_length, p.k_length};
    int64_t* strides[4] = {&p.mask_batch, &p.mask_head, &p.mask_q, &p.mask_k};
    int64_t stride = 1;
    for (int i = 3; i >= 0; --i) {
      const int at = m.rank() - 4 + i;
      const int64_t d = at < 0 ? 1 : m.dims[static_cast<size_t>(at)];
      shapes.require(d == 1 || d == wanted[i], "the mask does not broadcast to the scores");
      *strides[i] = d == 1 && i < 3 ? 0 : stride;
      stride *= d;
    }
  }

  Isa isa_;
  float scale_;
  float softcap_;
  bool causal_;
  int64_t q_heads_, kv_heads_;  // 0: heads are apart
};

const RegisterStepKernel kAttention("cpu.attention", make_step_kernel<AttentionStep>);

}  // namespace
}  // namespace planish::cpu
