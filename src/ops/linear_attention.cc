// SPDX-License-Identifier: Apache-2.0
// LinearAttention: attention as a recurrence over a state of outer products, with decay and delta
// rules.  https://onnx.ai/onnx/operators/onnx__LinearAttention.html
#include <cmath>
#include <string>
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/heads.h"

namespace planish {
namespace {

enum LinearAttentionInput { kLinearQuery, kLinearKey, kLinearValue, kPastState, kDecay, kBeta };

struct UpdateRule {
  bool decays = false;
  bool corrects = false;
};

UpdateRule update_rule(const InferContext& c) {
  const std::string name = c.attributes().text("update_rule", "gated_delta");
  if (name != "linear" && name != "gated" && name != "delta" && name != "gated_delta")
    c.fail(concat("update_rule: expected linear, gated, delta or gated_delta, got \"", name, "\""),
           ErrorCode::kInvalidModel);
  return {.decays = name.starts_with("gated"), .corrects = name.ends_with("delta")};
}

void infer_linear_attention(InferContext& c) {
  const DType dtype = check_float(c, kLinearQuery);
  for (int i : {kLinearKey, kLinearValue, kDecay, kBeta}) check_same_dtype_pair(c, kLinearQuery, i);
  DType state_dtype = dtype;
  if (c.has_input(kPastState)) state_dtype = check_float(c, kPastState);
  const UpdateRule rule = update_rule(c);
  if (c.has_input(kDecay) != rule.decays || c.has_input(kBeta) != rule.corrects)
    c.fail("decay is for the rules gated and gated_delta, beta for delta and gated_delta",
           ErrorCode::kInvalidModel);
  const int64_t q_heads = c.attributes().integer("q_num_heads"),
                heads = c.attributes().integer("kv_num_heads");
  if (heads < 1 || q_heads < 1 || q_heads > INT32_MAX || q_heads % heads != 0)
    c.fail(concat("expected q_num_heads to be a multiple of kv_num_heads, got ", q_heads, " and ",
                  heads),
           ErrorCode::kInvalidModel);
  for (int i : {kLinearQuery, kLinearKey, kLinearValue, kDecay, kBeta}) check_rank(c, i, 3);
  check_rank(c, kPastState, 4);
  c.set_output(0, Type::tensor(dtype));
  c.set_output(1, Type::tensor(state_dtype));
  if (!c.has_rank(kLinearQuery) || !c.has_rank(kLinearKey) || !c.has_rank(kLinearValue)) return;
  const Shape q = head_dims(c, kLinearQuery, q_heads), k = head_dims(c, kLinearKey, heads);
  const Shape v = head_dims(c, kLinearValue, heads);
  const Dim batch = check_equal(c, q[0], check_equal(c, k[0], v[0], "batch"), "batch");
  const Dim length = check_equal(c, q[2], check_equal(c, k[2], v[2], "length"), "length");
  check_equal(c, q[3], k[3], "head sizes of query and key");
  const Shape state{batch, Dim(heads), k[3], v[3]};
  check_shape(c, kPastState, state);
  for (int i : {kDecay, kBeta}) {
    if (!c.has_rank(i)) continue;
    check_dim(c, i, 0, batch);
    check_dim(c, i, 1, length);
    const Dim& last = c.shape(i)[2];
    const Dim other = i == kDecay ? k[3] * heads : Dim(1);
    if (Dim::differs(last, Dim(heads)) && Dim::differs(last, other))
      c.fail(concat("input ", i, ": expected ", heads, " or ", other.to_string(),
                    " in the last dimension, got ", to_string(c.shape(i))));
  }
  c.set_output(0, Type::tensor(dtype, {batch, length, v[3] * q_heads}));
  c.set_output(1, Type::tensor(state_dtype, state));
}

// The factors of one head's recurrence over time.
struct HeadGates {
  std::vector<double> decay;  // [length][size of a key], exponentials; empty: none
  std::vector<double> beta;   // [length]; empty: no correction
};

HeadGates head_gates(const KernelContext& c, int64_t heads, int64_t b, int64_t h, int64_t length,
                     int64_t size) {
  HeadGates out;
  if (c.has_input(kDecay)) {
    const Tensor& t = c.input(kDecay);
    const bool is_scalar = t.dim(2) == heads;
    for (int64_t s = 0; s < length; ++s)
      for (int64_t d = 0; d < size; ++d)
        out.decay.push_back(std::exp(
            element<double>(t, (b * length + s) * t.dim(2) + (is_scalar ? h : h * size + d))));
  }
  if (c.has_input(kBeta)) {
    const Tensor& t = c.input(kBeta);
    for (int64_t s = 0; s < length; ++s)
      out.beta.push_back(element<double>(t, (b * length + s) * t.dim(2) + (t.dim(2) == 1 ? 0 : h)));
  }
  return out;
}

// state[size][width] moves on by one step.
void advance(std::vector<double>& state, const HeadGates& gates, int64_t s, const double* key,
             int64_t size, std::vector<double> value) {
  const auto width = static_cast<int64_t>(value.size());
  if (!gates.decay.empty())
    for (int64_t d = 0; d < size; ++d)
      for (int64_t m = 0; m < width; ++m)
        state[static_cast<size_t>(d * width + m)] *= gates.decay[static_cast<size_t>(s * size + d)];
  if (!gates.beta.empty())
    for (int64_t m = 0; m < width; ++m) {
      double seen = 0;
      for (int64_t d = 0; d < size; ++d) seen += state[static_cast<size_t>(d * width + m)] * key[d];
      double& v = value[static_cast<size_t>(m)];
      v = gates.beta[static_cast<size_t>(s)] * (v - seen);
    }
  for (int64_t d = 0; d < size; ++d)
    for (int64_t m = 0; m < width; ++m)
      state[static_cast<size_t>(d * width + m)] += key[d] * value[static_cast<size_t>(m)];
}

void run_linear_attention(KernelContext& c) {
  const int64_t heads = c.attributes().integer("kv_num_heads");
  const HeadLayout q(c.input(kLinearQuery).dims(), c.attributes().integer("q_num_heads"));
  const HeadLayout k(c.input(kLinearKey).dims(), heads), v(c.input(kLinearValue).dims(), heads);
  double scale = c.attributes().real("scale", 0);
  if (scale == 0) scale = 1 / std::sqrt(static_cast<double>(q.size));
  const int64_t group = q.heads / heads, area = k.size * v.size, steps = k.length * k.size;
  HeadLayout y = q;
  y.size = v.size;
  std::vector<double> key(static_cast<size_t>(steps)),
      value(static_cast<size_t>(v.length * v.size));
  std::vector<double> queries(static_cast<size_t>(group * steps)),
      out(static_cast<size_t>(group) * value.size());
  for (int64_t b = 0; b < q.batch; ++b)
    for (int64_t h = 0; h < heads; ++h) {
      k.read(c.input(kLinearKey), b, h, key.data());
      v.read(c.input(kLinearValue), b, h, value.data());
      for (int64_t g = 0; g < group; ++g)
        q.read(c.input(kLinearQuery), b, h * group + g, queries.data() + g * steps);
      const HeadGates gates = head_gates(c, heads, b, h, k.length, k.size);
      std::vector<double> state(static_cast<size_t>(area), 0);
      if (c.has_input(kPastState))
        load<double>(c.input(kPastState), (b * heads + h) * area, area, state.data());
      for (int64_t s = 0; s < k.length; ++s) {
        advance(state, gates, s, key.data() + s * k.size, k.size,
                std::vector<double>(value.begin() + s * v.size, value.begin() + (s + 1) * v.size));
        for (int64_t g = 0; g < group; ++g)
          for (int64_t m = 0; m < v.size; ++m) {
            double sum = 0;
            for (int64_t d = 0; d < k.size; ++d)
              sum += queries[static_cast<size_t>(g * steps + s * k.size + d)] *
                     state[static_cast<size_t>(d * v.size + m)];
            out[static_cast<size_t>((g * k.length + s) * v.size + m)] = sum * scale;
          }
      }
      if (c.wants_output(0))
        for (int64_t g = 0; g < group; ++g)
          y.write(c.output(0), b, h * group + g, out.data() + g * v.length * v.size);
      if (c.wants_output(1)) store<double>(c.output(1), (b * heads + h) * area, area, state.data());
    }
}

const RegisterOp kLinearAttention(
    {.name = "LinearAttention",
     .attributes = {optional("chunk_size", AttrKind::kInt),
                    required("kv_num_heads", AttrKind::kInt),
                    required("q_num_heads", AttrKind::kInt), optional("scale", AttrKind::kFloat),
                    optional("update_rule", AttrKind::kString)},
     .inputs = {3, 6},
     .outputs = {1, 2},
     .infer = infer_linear_attention,
     .run = run_linear_attention,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__LinearAttention.html"});

}  // namespace
}  // namespace planish
