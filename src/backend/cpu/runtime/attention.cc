// SPDX-License-Identifier: Apache-2.0
// cpu.attention: scaled dot-product attention without materialised scores.
//
// Inputs q [b, h, n, d], k [b, g, m, d], v [b, g, m, e], and a mask that is added, or none; output
// [b, h, n, e]. Attributes scale, softcap, causal.
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

HeadStrides dense(const KnownTensor& t) {
  return {.batch = t.dims[1] * t.dims[2] * t.dims[3],
          .head = t.dims[2] * t.dims[3],
          .position = t.dims[3]};
}

class AttentionStep final : public StepKernel {
 public:
  explicit AttentionStep(const StepInfo& info)
      : isa_(step_isa(info)),
        scale_(static_cast<float>(info.attributes().real("scale", 0))),
        softcap_(static_cast<float>(info.attributes().real("softcap", 0))),
        causal_(info.attributes().integer("causal", 0) != 0) {
    info.require(
        info.has_input(0) && info.has_input(1) && info.has_input(2) && info.wants_output(0),
        "expected queries, keys and values");
  }

  StepBinding bind(const StepShapes& shapes) const override {
    const KnownTensor &q = shapes.input(0), &k = shapes.input(1), &v = shapes.input(2),
                      &y = shapes.output(0);
    for (const KnownTensor* t : {&q, &k, &v, &y})
      shapes.require(t->dtype == DType::kF32 && t->rank() == 4, "expected float32 of rank 4");
    auto state = std::make_unique<AttentionState>();
    AttentionParams& p = state->params;
    p.batch = q.dims[0];
    p.heads = q.dims[1];
    p.q_length = q.dims[2];
    p.head_size = q.dims[3];
    p.kv_heads = k.dims[1];
    p.k_length = k.dims[2];
    p.v_head_size = v.dims[3];
    shapes.require(k.dims[0] == p.batch && v.dims[0] == p.batch && k.dims[3] == p.head_size &&
                       v.dims[1] == p.kv_heads && v.dims[2] == p.k_length && p.kv_heads > 0 &&
                       p.heads % p.kv_heads == 0 && p.head_size > 0 &&
                       p.head_size <= kMaxHeadSize && p.v_head_size <= kMaxHeadSize,
                   "queries, keys and values do not fit each other");
    shapes.require(y.dims[0] == p.batch && y.dims[1] == p.heads && y.dims[2] == p.q_length &&
                       y.dims[3] == p.v_head_size,
                   "the output has another shape");
    p.q_strides = dense(q);
    p.k_strides = dense(k);
    p.v_strides = dense(v);
    p.out_strides = dense(y);
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
  static void bind_mask(const StepShapes& shapes, AttentionParams& p) {
    const KnownTensor& m = shapes.input(3);
    shapes.require(m.dtype == DType::kF32 && m.rank() <= 4, "expected a float32 mask");
    const int64_t wanted[4] = {p.batch, p.heads, p.q_length, p.k_length};
    int64_t* strides[4] = {&p.mask_batch, &p.mask_head, &p.mask_q, &p.mask_k};
    int64_t stride = 1;
    for (int i = 3; i >= 0; --i) {
      const int at = m.rank() - 4 + i;
      const int64_t d = at < 0 ? 1 : m.dims[static_cast<size_t>(at)];
      shapes.require(d == 1 || d == wanted[i], "the mask does not broadcast to the scores");
      *strides[i] = d == 1 ? 0 : stride;
      stride *= d;
    }
  }

  Isa isa_;
  float scale_;
  float softcap_;
  bool causal_;
};

const RegisterStepKernel kAttention("cpu.attention", make_step_kernel<AttentionStep>);

}  // namespace
}  // namespace planish::cpu
