// SPDX-License-Identifier: Apache-2.0
// Attention: scaled dot products of queries and keys, masks, softmax, and the mean of the values,
// with shared key heads and a cache of past keys and values.
// https://onnx.ai/onnx/operators/onnx__Attention.html
#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "base/checked.h"
#include "base/str.h"
#include "ops/checks.h"
#include "ops/heads.h"
#include "ops/product.h"
#include "ops/quantization.h"

namespace planish {
namespace {

enum AttentionInput { kQuery, kKey, kValue, kMask, kPastKey, kPastValue, kValidLengths };
enum AttentionOutput { kResult, kPresentKey, kPresentValue, kScores };

bool is_mask_dtype(DType t) { return is_real_float(t) || t == DType::kBool || is_integer(t); }

void check_attention_attributes(InferContext& c) {
  const Attributes& a = c.attributes();
  const int64_t mode = a.integer("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3)
    c.fail(concat("qk_matmul_output_mode: expected 0 to 3, got ", mode), ErrorCode::kInvalidModel);
  for (const char* name : {"q_num_heads", "kv_num_heads"}) {
    const int64_t heads = a.integer(name, 1);
    if (heads < 1 || heads > INT32_MAX)
      c.fail(concat(name, ": expected at least 1, got ", heads), ErrorCode::kInvalidModel);
  }
  if (a.has("softmax_precision") &&
      !is_real_float(dtype_attribute(c, "softmax_precision", DType::kF32)))
    c.fail("softmax_precision: expected a float type", ErrorCode::kInvalidModel);
  if (c.has_input(kPastKey) != c.has_input(kPastValue))
    c.fail("expected past_key and past_value together or neither", ErrorCode::kInvalidModel);
  if (c.has_input(kValidLengths) && c.has_input(kPastKey))
    c.fail("nonpad_kv_seqlen does not go with past_key and past_value", ErrorCode::kInvalidModel);
}

void check_attention_mask(InferContext& c, const Shape& scores) {
  if (!c.has_rank(kMask)) return;
  const Shape& mask = c.shape(kMask);
  bool fits = mask.size() <= 4 && !mask.empty();
  // The last dim may be shorter than the scores'.
  for (size_t k = 2; fits && k <= mask.size(); ++k) {
    const Dim& dim = mask[mask.size() - k];
    fits = !Dim::differs(dim, Dim(1)) || !Dim::differs(dim, scores[4 - k]);
  }
  if (fits && mask.back().is_constant() && scores[3].is_constant())
    fits = mask.back().value() <= scores[3].value();
  if (!fits)
    c.fail(concat("attn_mask: expected a shape that broadcasts to ", to_string(scores), ", got ",
                  to_string(mask)));
}

void infer_attention(InferContext& c) {
  const DType dtype = check_float(c, kQuery), value_dtype = check_float(c, kValue);
  check_same_dtype_pair(c, kQuery, kKey);
  check_same_dtype_pair(c, kKey, kPastKey);
  check_same_dtype_pair(c, kValue, kPastValue);
  if (c.has_input(kMask)) check_tensor(c, kMask, is_mask_dtype, "bools or numbers");
  if (c.has_input(kValidLengths)) check_tensor(c, kValidLengths, is_i64, "int64");
  check_attention_attributes(c);
  for (int i : {kPastKey, kPastValue}) check_rank(c, i, 4);
  c.set_output(kResult, Type::tensor(dtype));
  c.set_output(kPresentKey, Type::tensor(dtype));
  c.set_output(kPresentValue, Type::tensor(value_dtype));
  c.set_output(kScores, Type::tensor(dtype));
  for (int i : {kQuery, kKey, kValue}) {
    if (!c.has_rank(i)) return;
    if ((c.rank(i) != 3 && c.rank(i) != 4) || c.rank(i) != c.rank(kQuery))
      c.fail(concat("expected Q, K and V all of rank 3 or all of rank 4, got ",
                    to_string(c.shape(i))));
  }
  const bool packed = c.rank(kQuery) == 3;
  if (packed && (!c.attributes().has("q_num_heads") || !c.attributes().has("kv_num_heads")))
    c.fail("inputs of rank 3 need q_num_heads and kv_num_heads", ErrorCode::kInvalidModel);
  const int64_t kv_heads = c.attributes().integer("kv_num_heads", 1);
  const Shape q = head_dims(c, kQuery, c.attributes().integer("q_num_heads", 1));
  const Shape k = head_dims(c, kKey, kv_heads), v = head_dims(c, kValue, kv_heads);
  const Dim batch =
      check_equal(c, q[0], check_equal(c, k[0], v[0], "batch of K and V"), "batch of Q and K");
  check_equal(c, k[1], v[1], "heads of K and V");
  check_equal(c, k[2], v[2], "lengths of K and V");
  check_equal(c, q[3], k[3], "head sizes of Q and K");
  if (q[1].is_constant() && k[1].is_constant() &&
      (k[1].value() < 1 || q[1].value() % k[1].value() != 0))
    c.fail(concat("expected a multiple of ", k[1].value(), " key heads, got ", q[1].value(),
                  " query heads"));
  Dim total = k[2];
  if (c.has_input(kPastKey)) {
    if (!c.has_rank(kPastKey) || !c.has_rank(kPastValue)) return;
    const Dim past = c.shape(kPastKey)[2];
    check_shape(c, kPastKey, {batch, k[1], past, k[3]});
    check_shape(c, kPastValue, {batch, k[1], past, v[3]});
    total = past + k[2];
  }
  check_shape(c, kValidLengths, {batch});
  const Shape scores{batch, q[1], q[2], total};
  check_attention_mask(c, scores);
  c.set_output(kResult, Type::tensor(dtype, packed ? Shape{batch, q[2], q[1] * v[3]}
                                                   : Shape{batch, q[1], q[2], v[3]}));
  c.set_output(kPresentKey, Type::tensor(dtype, {batch, k[1], total, k[3]}));
  c.set_output(kPresentValue, Type::tensor(value_dtype, {batch, k[1], total, v[3]}));
  c.set_output(kScores, Type::tensor(dtype, scores));
}

// What is added to the score of query i and key j.
class Bias {
 public:
  Bias(const KernelContext& c, int64_t past, int64_t total) : past_(past), total_(total) {
    is_causal_ = c.attributes().integer("is_causal", 0) != 0;
    if (c.has_input(kValidLengths)) lengths_ = load<int64_t>(c.input(kValidLengths));
    for (int64_t n : lengths_)
      if (n < 0 || n > total)
        c.fail(concat("nonpad_kv_seqlen: expected values from 0 to ", total, ", got ", n));
    if (!c.has_input(kMask)) return;
    const Tensor& mask = c.input(kMask);
    values_ = load<double>(mask);
    if (mask.dtype() == DType::kBool)
      for (double& v : values_) v = v != 0 ? 0 : -HUGE_VAL;
    width_ = mask.dims().back();
    int64_t step = 1;
    for (int k = 1; k <= mask.rank(); ++k) {
      const int64_t size = mask.dim(mask.rank() - k);
      if (size != 1 || k == 1) strides_[4 - k] = step;
      step *= size;
    }
  }

  void add(int64_t b, int64_t h, int64_t i, double* line) const {
    if (width_ >= 0) {
      const double* row = values_.data() + b * strides_[0] + h * strides_[1] + i * strides_[2];
      for (int64_t j = 0; j < width_; ++j) line[j] += row[j];
      for (int64_t j = width_; j < total_; ++j) line[j] = -HUGE_VAL;
    }
    if (is_causal_)
      for (int64_t j = std::max<int64_t>(0, past_ + i + 1); j < total_; ++j) line[j] = -HUGE_VAL;
    if (!lengths_.empty())
      for (int64_t j = lengths_[static_cast<size_t>(b)]; j < total_; ++j) line[j] = -HUGE_VAL;
  }

 private:
  int64_t past_, total_;
  bool is_causal_ = false;
  std::vector<int64_t> lengths_;
  std::vector<double> values_;
  int64_t width_ = -1;  // none
  int64_t strides_[4] = {0, 0, 0, 0};
};

// Past rows and new rows of one head, [total][size].
std::vector<double> cached_head(const KernelContext& c, int past_input, int input, int64_t kv_heads,
                                int64_t b, int64_t h) {
  const HeadLayout now(c.input(input).dims(), kv_heads);
  const bool has_past = c.has_input(past_input);
  const int64_t past = has_past ? c.input(past_input).dim(2) : 0;
  std::vector<double> out(static_cast<size_t>((past + now.length) * now.size));
  if (has_past)
    HeadLayout(c.input(past_input).dims(), 0).read(c.input(past_input), b, h, out.data());
  now.read(c.input(input), b, h, out.data() + past * now.size);
  return out;
}

struct AttentionOptions {
  double scale;
  double softcap;
  int64_t scores_mode;
  DType precision;  // of the softmax
};

// Turns raw scores of one head into probabilities; what the scores output shows is left in `shown`.
void weigh(const AttentionOptions& o, const Bias& bias, int64_t b, int64_t h, int64_t rows,
           int64_t total, std::vector<double>& scores, std::vector<double>* shown) {
  for (double& s : scores) s *= o.scale;
  if (shown != nullptr && o.scores_mode == 0) *shown = scores;
  if (o.softcap > 0)
    for (double& s : scores) s = std::tanh(s / o.softcap) * o.softcap;
  if (shown != nullptr && o.scores_mode == 1) *shown = scores;
  for (int64_t i = 0; i < rows; ++i) bias.add(b, h, i, scores.data() + i * total);
  if (shown != nullptr && o.scores_mode == 2) *shown = scores;
  for (int64_t i = 0; i < rows; ++i) {
    double* line = scores.data() + i * total;
    for (int64_t j = 0; j < total; ++j) line[j] = round_to(o.precision, line[j]);
    attention_softmax(line, total);
  }
  if (shown != nullptr && o.scores_mode == 3) *shown = scores;
}

void run_attention(KernelContext& c) {
  const Attributes& a = c.attributes();
  const int64_t kv_heads = a.integer("kv_num_heads", 1);
  const HeadLayout q(c.input(kQuery).dims(), a.integer("q_num_heads", 1));
  const HeadLayout k(c.input(kKey).dims(), kv_heads), v(c.input(kValue).dims(), kv_heads);
  const int64_t past = c.has_input(kPastKey) ? c.input(kPastKey).dim(2) : 0;
  const int64_t total = past + k.length, group = k.heads == 0 ? 1 : q.heads / k.heads;
  checked_mul(checked_mul(q.length, total, "scores"), 8, "scores");
  AttentionOptions o{.scale = 1 / std::sqrt(static_cast<double>(q.size)),
                     .softcap = a.real("softcap", 0),
                     .scores_mode = a.integer("qk_matmul_output_mode", 0),
                     .precision = static_cast<DType>(a.integer("softmax_precision", 0))};
  if (a.has("scale")) o.scale = a.real("scale");
  const Bias bias(c, past, total);
  std::vector<double> query(static_cast<size_t>(q.length * q.size)), turned, scores, shown, out;
  for (int64_t b = 0; b < q.batch; ++b)
    for (int64_t kv = 0; kv < k.heads; ++kv) {
      const std::vector<double> keys = cached_head(c, kPastKey, kKey, kv_heads, b, kv);
      const std::vector<double> values = cached_head(c, kPastValue, kValue, kv_heads, b, kv);
      const int64_t row = b * k.heads + kv, key_count = total * k.size,
                    value_count = total * v.size;
      if (c.wants_output(kPresentKey))
        store<double>(c.output(kPresentKey), row * key_count, key_count, keys.data());
      if (c.wants_output(kPresentValue))
        store<double>(c.output(kPresentValue), row * value_count, value_count, values.data());
      turned.resize(keys.size());
      transpose_matrix(total, k.size, keys.data(), turned.data());
      for (int64_t h = kv * group; h < (kv + 1) * group; ++h) {
        q.read(c.input(kQuery), b, h, query.data());
        scores.resize(static_cast<size_t>(q.length * total));
        matrix_product(q.length, total, q.size, query.data(), turned.data(), scores.data());
        weigh(o, bias, b, h, q.length, total, scores, c.wants_output(kScores) ? &shown : nullptr);
        if (c.wants_output(kScores))
          store<double>(c.output(kScores), (b * q.heads + h) * q.length * total, q.length * total,
                        shown.data());
        if (!c.wants_output(kResult)) continue;
        out.resize(static_cast<size_t>(q.length * v.size));
        matrix_product(q.length, v.size, total, scores.data(), values.data(), out.data());
        HeadLayout layout = q;
        layout.size = v.size;
        layout.write(c.output(kResult), b, h, out.data());
      }
    }
}

const RegisterOp kAttention(
    {.name = "Attention",
     .attributes = {optional("is_causal", AttrKind::kInt), optional("kv_num_heads", AttrKind::kInt),
                    optional("q_num_heads", AttrKind::kInt),
                    optional("qk_matmul_output_mode", AttrKind::kInt),
                    optional("scale", AttrKind::kFloat), optional("softcap", AttrKind::kFloat),
                    optional("softmax_precision", AttrKind::kInt)},
     .inputs = {3, 7},
     .outputs = {1, 4},
     .infer = infer_attention,
     .run = run_attention,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__Attention.html"});

}  // namespace
}  // namespace planish
