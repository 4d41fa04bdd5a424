// SPDX-License-Identifier: Apache-2.0
// com.microsoft.GroupQueryAttention: causal attention of queries that share key heads, over a cache
// that each sequence fills to its own length, with rotary embedding on the way.
// https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/heads.h"

namespace planish {
namespace {

enum GqaInput {
  kGqaQuery,
  kGqaKey,
  kGqaValue,
  kGqaPastKey,
  kGqaPastValue,
  kGqaLengths,
  kGqaTotal,
  kGqaCosines,
  kGqaSines,
  kGqaPositions,
  kGqaBias
};

struct GqaHeads {
  int64_t query, shared;
};

template <class Context>
GqaHeads gqa_heads(const Context& c) {
  const GqaHeads h{c.attributes().integer("num_heads"), c.attributes().integer("kv_num_heads")};
  if (h.shared < 1 || h.query < 1 || h.query > INT32_MAX || h.query % h.shared != 0)
    c.fail(concat("expected num_heads to be a multiple of kv_num_heads, got ", h.query, " and ",
                  h.shared),
           ErrorCode::kInvalidModel);
  return h;
}

bool is_i32(DType t) { return t == DType::kI32; }

// The size of a head in a shape rule: keys and values may be packed behind the queries.
Dim gqa_head_size(InferContext& c, const GqaHeads& heads) {
  const int64_t parts = c.has_input(kGqaKey) ? heads.query : heads.query + 2 * heads.shared;
  const Dim& width = c.shape(kGqaQuery)[2];
  if (const auto size = Dim::exact_div(width, Dim(parts))) return *size;
  if (width.is_constant())
    c.fail(concat("input 0: expected a multiple of ", parts, " heads, got ",
                  to_string(c.shape(kGqaQuery))));
  return width.floor_div(parts);
}

void infer_group_query_attention(InferContext& c) {
  const DType dtype = check_float(c, kGqaQuery);
  for (int i : {kGqaKey, kGqaValue, kGqaPastKey, kGqaPastValue, kGqaCosines, kGqaSines, kGqaBias})
    check_same_dtype_pair(c, kGqaQuery, i);
  check_tensor(c, kGqaLengths, is_i32, "int32");
  check_tensor(c, kGqaTotal, is_i32, "int32");
  check_single(c, kGqaTotal);
  const GqaHeads heads = gqa_heads(c);
  if (c.has_input(kGqaKey) != c.has_input(kGqaValue) ||
      c.has_input(kGqaPastKey) != c.has_input(kGqaPastValue))
    c.fail("expected key and value together, and past_key and past_value together",
           ErrorCode::kInvalidModel);
  const bool rotates = flag(c.attributes(), "do_rotary", false);
  if (rotates && (!c.has_input(kGqaCosines) || !c.has_input(kGqaSines)))
    c.fail("do_rotary needs cos_cache and sin_cache", ErrorCode::kInvalidModel);
  for (int i : {kGqaQuery, kGqaKey, kGqaValue}) check_rank(c, i, 3);
  for (int i : {kGqaPastKey, kGqaPastValue, kGqaBias}) check_rank(c, i, 4);
  for (int i : {kGqaCosines, kGqaSines, kGqaPositions}) check_rank(c, i, 2);
  for (int i = 0; i < 3; ++i) c.set_output(i, Type::tensor(dtype));
  if (!c.has_rank(kGqaQuery)) return;
  const Shape& q = c.shape(kGqaQuery);
  const Dim size = gqa_head_size(c, heads);
  for (int i : {kGqaKey, kGqaValue}) check_shape(c, i, {q[0], q[1], size * heads.shared});
  check_shape(c, kGqaPositions, {q[0], q[1]});
  Dim past = 0;
  if (c.has_input(kGqaPastKey))
    past = c.has_rank(kGqaPastKey) ? c.shape(kGqaPastKey)[2] : c.fresh_dim();
  for (int i : {kGqaPastKey, kGqaPastValue})
    check_shape(c, i, {q[0], Dim(heads.shared), past, size});
  if (c.has_rank(kGqaLengths) && Dim::differs(product(c.shape(kGqaLengths)), q[0]))
    c.fail(concat("seqlens_k: expected ", q[0].to_string(), " lengths, got ",
                  to_string(c.shape(kGqaLengths))));
  const auto total = c.integers(kGqaTotal);
  if (total && (total->size() != 1 || total->at(0) < 0))
    c.fail("total_sequence_length: expected one length");
  const Dim present = total ? Dim::max(past, total->at(0)) : c.fresh_dim();
  c.set_output(0, Type::tensor(dtype, {q[0], q[1], size * heads.query}));
  for (int i : {1, 2})
    c.set_output(i, Type::tensor(dtype, {q[0], Dim(heads.shared), present, size}));
}

class Rotation {
 public:
  explicit Rotation(const KernelContext& c) {
    if (c.attributes().integer("do_rotary", 0) == 0) return;
    cosines_ = load<double>(c.input(kGqaCosines));
    sines_ = load<double>(c.input(kGqaSines));
    half_ = c.input(kGqaCosines).dim(1);
    positions_ = c.input(kGqaCosines).dim(0);
    interleaved_ = c.attributes().integer("rotary_interleaved", 0) != 0;
    if (c.input(kGqaSines).dims() != c.input(kGqaCosines).dims())
      c.fail("cos_cache and sin_cache differ in shape");
  }
  void apply(const KernelContext& c, double* head, int64_t size, int64_t position) const {
    if (half_ == 0) return;
    if (2 * half_ > size)
      c.fail(concat("the caches rotate ", 2 * half_, " elements of heads of ", size));
    if (position < 0 || position >= positions_)
      c.fail(concat("position ", position, " is outside of ", positions_, " of the rotary caches"));
    for (int64_t i = 0; i < half_; ++i) {
      double& a = head[interleaved_ ? 2 * i : i];
      double& b = head[interleaved_ ? 2 * i + 1 : i + half_];
      const auto at = static_cast<size_t>(position * half_ + i);
      const double turned = cosines_[at] * a - sines_[at] * b;
      b = sines_[at] * a + cosines_[at] * b;
      a = turned;
    }
  }

 private:
  std::vector<double> cosines_, sines_;
  int64_t half_ = 0, positions_ = 0;
  bool interleaved_ = false;
};

struct GqaSizes {
  int64_t batch, length, size, past, present;
  GqaHeads heads;
  bool is_packed;
};

// Rows of one head of the new queries (part 0), keys (1) or values (2).
std::vector<double> new_rows(const KernelContext& c, const GqaSizes& s, int part, int64_t b,
                             int64_t h) {
  std::vector<double> out(static_cast<size_t>(s.length * s.size));
  const Tensor& t = c.input(s.is_packed ? kGqaQuery : kGqaQuery + part);
  const int64_t before =
      !s.is_packed || part == 0 ? 0 : s.heads.query + (part - 1) * s.heads.shared;
  const int64_t heads = t.dim(2) / std::max<int64_t>(s.size, 1);
  for (int64_t i = 0; i < s.length; ++i)
    load<double>(t, ((b * s.length + i) * heads + before + h) * s.size, s.size,
                 out.data() + i * s.size);
  return out;
}

// The cache of one head with the new rows put in from row `first` on; written to output `o`.
std::vector<double> filled_cache(KernelContext& c, const GqaSizes& s, int part, int64_t b,
                                 int64_t h, int64_t first, const std::vector<double>& rows) {
  std::vector<double> out(static_cast<size_t>(s.present * s.size), 0);
  const int past_input = part == 1 ? kGqaPastKey : kGqaPastValue;
  const int64_t head = b * s.heads.shared + h;
  // Rows behind the sequence's end are zero.
  if (c.has_input(past_input))
    load<double>(c.input(past_input), head * s.past * s.size, std::min(s.past, first) * s.size,
                 out.data());
  std::copy(rows.begin(), rows.end(), out.begin() + first * s.size);
  if (c.wants_output(part))
    store<double>(c.output(part), head * s.present * s.size, s.present * s.size, out.data());
  return out;
}

// What is added to the scores of one head of queries and what they may see.
struct GqaMask {
  int64_t first;   // keys before the first query
  int64_t window;  // keys that a query sees at most; 0: all
  std::vector<double> bias;
  Dims bias_dims;

  int64_t least(int64_t i) const {
    return window > 0 ? std::max<int64_t>(0, first + i + 1 - window) : 0;
  }
  double at(int64_t b, int64_t h, int64_t i, int64_t j) const {
    if (bias.empty()) return 0;
    const int64_t row =
        ((bias_dims[0] == 1 ? 0 : b) * bias_dims[1] + (bias_dims[1] == 1 ? 0 : h)) * bias_dims[2] +
        i;
    return bias[static_cast<size_t>(row * bias_dims[3] + j)];
  }
};

void attend(KernelContext& c, const GqaSizes& s, const GqaMask& mask, int64_t b, int64_t h,
            const std::vector<double>& queries, const std::vector<double>& keys,
            const std::vector<double>& values) {
  double scale = c.attributes().real("scale", 0);
  if (scale == 0) scale = 1 / std::sqrt(static_cast<double>(s.size));
  const double cap = c.attributes().real("softcap", 0);
  const bool is_smooth = c.attributes().integer("smooth_softmax", 0) > 0;
  std::vector<double> line, out(static_cast<size_t>(s.size));
  for (int64_t i = 0; i < s.length; ++i) {
    const int64_t from = mask.least(i), to = mask.first + i + 1;
    line.assign(static_cast<size_t>(to - from), 0);
    for (int64_t j = from; j < to; ++j) {
      double score = 0;
      for (int64_t d = 0; d < s.size; ++d)
        score += queries[static_cast<size_t>(i * s.size + d)] *
                 keys[static_cast<size_t>(j * s.size + d)];
      score *= scale;
      if (cap > 0) score = std::tanh(score / cap) * cap;
      line[static_cast<size_t>(j - from)] = score + mask.at(b, h, i, j);
    }
    // A smooth softmax has one more score, of zero, that no value belongs to.
    if (is_smooth) line.push_back(0);
    attention_softmax(line.data(), static_cast<int64_t>(line.size()));
    std::fill(out.begin(), out.end(), 0.0);
    for (int64_t j = from; j < to; ++j)
      for (int64_t d = 0; d < s.size; ++d)
        out[static_cast<size_t>(d)] +=
            line[static_cast<size_t>(j - from)] * values[static_cast<size_t>(j * s.size + d)];
    store<double>(c.output(0), ((b * s.length + i) * s.heads.query + h) * s.size, s.size,
                  out.data());
  }
}

GqaMask mask_of(const KernelContext& c, const GqaSizes& s) {
  GqaMask mask{.first = 0,
               .window = std::max<int64_t>(0, c.attributes().integer("local_window_size", -1))};
  if (!c.has_input(kGqaBias)) return mask;
  mask.bias = load<double>(c.input(kGqaBias));
  mask.bias_dims = c.input(kGqaBias).dims();
  const Dims& d = mask.bias_dims;
  if ((d[0] != 1 && d[0] != s.batch) || (d[1] != 1 && d[1] != s.heads.query) || d[2] != s.length ||
      d[3] > INT32_MAX)
    c.fail(concat("attention_bias: expected a shape that broadcasts to the scores, got ",
                  dims_to_string(d)));
  return mask;
}

void run_group_query_attention(KernelContext& c) {
  const Dims& q = c.input(kGqaQuery).dims();
  GqaSizes s{.batch = q[0],
             .length = q[1],
             .size = 0,
             .past = 0,
             .present = 0,
             .heads = gqa_heads(c),
             .is_packed = !c.has_input(kGqaKey)};
  s.size = q[2] / (s.heads.query + (s.is_packed ? 2 * s.heads.shared : 0));
  if (c.has_input(kGqaPastKey)) s.past = c.input(kGqaPastKey).dim(2);
  const auto total = element<int64_t>(c.input(kGqaTotal), 0);
  s.present = std::max(s.past, total);
  const std::vector<int64_t> lengths = load<int64_t>(c.input(kGqaLengths));
  std::vector<int64_t> positions;
  if (c.has_input(kGqaPositions)) positions = load<int64_t>(c.input(kGqaPositions));
  const Rotation rotation(c);
  GqaMask mask = mask_of(c, s);
  const int64_t group = s.heads.query / s.heads.shared;
  auto turned = [&](std::vector<double> rows, int64_t b) {
    for (int64_t i = 0; i < s.length; ++i)
      rotation.apply(
          c, rows.data() + i * s.size, s.size,
          positions.empty() ? mask.first + i : positions[static_cast<size_t>(b * s.length + i)]);
    return rows;
  };
  for (int64_t b = 0; b < s.batch; ++b) {
    // A prompt starts at 0 and may end in padding; later steps follow on what is there.
    mask.first = total == s.length ? 0 : lengths[static_cast<size_t>(b)] + 1 - s.length;
    if (mask.first < 0 || mask.first > s.present - s.length ||
        (mask.bias_dims.size() == 4 && mask.bias_dims[3] < mask.first + s.length))
      c.fail(concat("seqlens_k: ", lengths[static_cast<size_t>(b)], " does not fit ", s.length,
                    " new tokens and a cache of ", s.present));
    for (int64_t h = 0; h < s.heads.shared; ++h) {
      const std::vector<double> keys =
          filled_cache(c, s, 1, b, h, mask.first, turned(new_rows(c, s, 1, b, h), b));
      const std::vector<double> values =
          filled_cache(c, s, 2, b, h, mask.first, new_rows(c, s, 2, b, h));
      if (c.wants_output(0))
        for (int64_t k = h * group; k < (h + 1) * group; ++k)
          attend(c, s, mask, b, k, turned(new_rows(c, s, 0, b, k), b), keys, values);
    }
  }
}

const RegisterOp kGroupQueryAttention(
    {.name = "com.microsoft.GroupQueryAttention",
     .attributes = {optional("do_rotary", AttrKind::kInt), required("kv_num_heads", AttrKind::kInt),
                    optional("local_window_size", AttrKind::kInt),
                    required("num_heads", AttrKind::kInt),
                    optional("rotary_interleaved", AttrKind::kInt),
                    optional("scale", AttrKind::kFloat), optional("smooth_softmax", AttrKind::kInt),
                    optional("softcap", AttrKind::kFloat)},
     .inputs = {7, 11},
     .outputs = {1, 3},
     .infer = infer_group_query_attention,
     .run = run_group_query_attention,
     .tolerance = {1e-5},
     .source = "https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md"});

}  // namespace
}  // namespace planish
