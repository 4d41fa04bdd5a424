// SPDX-License-Identifier: Apache-2.0
// ai.onnx.preview.FlexAttention: attention whose scores and probabilities pass through subgraphs.
// https://onnx.ai/onnx/operators/onnx_aionnxpreview_FlexAttention.html
#include <cmath>
#include <vector>

#include "base/checked.h"
#include "base/str.h"
#include "ops/checks.h"
#include "ops/heads.h"
#include "ops/product.h"

namespace planish {
namespace {

DType softmax_dtype(const Attributes& attributes, DType input) {
  const int64_t number = attributes.integer("softmax_precision", 0);
  if (number != 0) return static_cast<DType>(number);
  return input == DType::kF64 ? DType::kF64 : DType::kF32;
}

void infer_flex_attention(InferContext& c) {
  const DType dtype = check_float(c, 0);
  check_same_dtype(c, 0, 3);
  if (c.attributes().integer("softmax_precision", 0) != 0 &&
      !is_real_float(dtype_attribute(c, "softmax_precision", DType::kF32)))
    c.fail("softmax_precision: expected a float type", ErrorCode::kInvalidModel);
  for (int i : {0, 1, 2}) check_rank(c, i, 4);
  Type scores =
      Type::tensor(dtype == DType::kUndefined ? dtype : softmax_dtype(c.attributes(), dtype));
  Type result = Type::tensor(dtype);
  if (c.has_rank(0) && c.has_rank(1) && c.has_rank(2)) {
    const Shape &q = c.shape(0), &k = c.shape(1), &v = c.shape(2);
    const Dim batch = check_equal(c, q[0], k[0], "batch of Q and K");
    check_shape(c, 1, {batch, k[1], k[2], q[3]});
    check_shape(c, 2, {batch, k[1], k[2], v[3]});
    if (q[1].is_constant() && k[1].is_constant() &&
        (k[1].value() < 1 || q[1].value() % k[1].value() != 0))
      c.fail(concat("expected a multiple of ", k[1].value(), " key heads, got ", q[1].value(),
                    " query heads"));
    scores.shape = Shape{batch, q[1], q[2], k[2]};
    result.shape = Shape{batch, q[1], q[2], v[3]};
  }
  for (const char* name : {"score_mod", "prob_mod"})
    for (const Type& out : c.infer_subgraph(name, {scores}))
      merge(scores, out, concat(name, "'s result"));
  c.set_output(0, std::move(result));
}

void apply_modifier(KernelContext& c, const char* name, Tensor& t) {
  if (!c.has_subgraph(name)) return;
  const std::vector<Datum> out = c.run_subgraph(name, {t});
  if (out.size() != 1 || !out[0].is_tensor() || out[0].tensor().dtype() != t.dtype() ||
      out[0].tensor().dims() != t.dims())
    c.fail(concat(name, ": expected one ", dtype_name(t.dtype()), " ", dims_to_string(t.dims())));
  t = out[0].tensor();
}

void run_flex_attention(KernelContext& c) {
  const HeadLayout q(c.input(0).dims(), 0), k(c.input(1).dims(), 0), v(c.input(2).dims(), 0);
  const int64_t group = k.heads == 0 ? 1 : q.heads / k.heads,
                area = checked_mul(q.length, k.length, "scores");
  const double scale = c.attributes().real("scale", 1 / std::sqrt(static_cast<double>(q.size)));
  Dims dims{q.batch, q.heads, q.length, k.length};
  const DType type = softmax_dtype(c.attributes(), c.input(0).dtype());
  c.budget().check_value_bytes(static_cast<int64_t>(dtype_bytes(type, element_count(dims))),
                               c.node());
  Tensor scores(type, dims);
  std::vector<double> query(static_cast<size_t>(q.length * q.size)), other, turned, line, out;
  for (int64_t b = 0; b < q.batch; ++b)
    for (int64_t h = 0; h < q.heads; ++h) {
      q.read(c.input(0), b, h, query.data());
      other.resize(static_cast<size_t>(k.length * k.size));
      k.read(c.input(1), b, h / group, other.data());
      turned.resize(other.size());
      transpose_matrix(k.length, k.size, other.data(), turned.data());
      line.resize(static_cast<size_t>(area));
      matrix_product(q.length, k.length, q.size, query.data(), turned.data(), line.data());
      for (double& s : line) s *= scale;
      store<double>(scores, (b * q.heads + h) * area, area, line.data());
    }
  apply_modifier(c, "score_mod", scores);
  std::vector<double> weights = load<double>(scores);
  for (int64_t row = 0; row < q.batch * q.heads * q.length; ++row)
    attention_softmax(weights.data() + row * k.length, k.length);
  scores = Tensor(type, dims);
  store(scores, weights);
  apply_modifier(c, "prob_mod", scores);
  weights = load<double>(scores);
  const HeadLayout y(c.output(0).dims(), 0);
  for (int64_t b = 0; b < q.batch; ++b)
    for (int64_t h = 0; h < q.heads; ++h) {
      other.resize(static_cast<size_t>(v.length * v.size));
      v.read(c.input(2), b, h / group, other.data());
      out.resize(static_cast<size_t>(q.length * v.size));
      matrix_product(q.length, v.size, k.length, weights.data() + (b * q.heads + h) * area,
                     other.data(), out.data());
      y.write(c.output(0), b, h, out.data());
    }
}

const RegisterOp kFlexAttention(
    {.name = "ai.onnx.preview.FlexAttention",
     .attributes = {optional("scale", AttrKind::kFloat),
                    optional("softmax_precision", AttrKind::kInt)},
     .optional_subgraphs = {"score_mod", "prob_mod"},
     .inputs = {3, 3},
     .outputs = {1, 1},
     .infer = infer_flex_attention,
     .run = run_flex_attention,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxpreview_FlexAttention.html"});

}  // namespace
}  // namespace planish
