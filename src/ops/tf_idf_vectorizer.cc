// SPDX-License-Identifier: Apache-2.0
// TfIdfVectorizer: how often each n-gram of a pool occurs in a row of tokens, weighted.
#include <algorithm>
#include <map>

#include "base/str.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"

namespace planish {
namespace {

bool is_token(DType t) { return is_index_dtype(t) || t == DType::kString; }

int64_t vector_width(const Attributes& attributes) {
  int64_t largest = -1;
  for (int64_t index : attributes.integers("ngram_indexes")) largest = std::max(largest, index);
  return largest < INT32_MAX ? largest + 1 : 0;
}

void infer_tf_idf(InferContext& c) {
  const Attributes& a = c.attributes();
  check_tensor(c, 0, is_token, "int32, int64 or strings");
  const std::string& mode = a.text("mode");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF")
    c.fail(concat("mode: expected TF, IDF or TFIDF, got \"", mode, "\""), ErrorCode::kInvalidModel);
  if (a.has("pool_int64s") == a.has("pool_strings"))
    c.fail("expected one of pool_int64s and pool_strings", ErrorCode::kInvalidModel);
  if (c.dtype(0) != DType::kUndefined && a.has("pool_strings") != (c.dtype(0) == DType::kString))
    c.fail(concat("the pool does not hold tokens of type ", dtype_name(c.dtype(0))),
           ErrorCode::kInvalidType);
  const int64_t width = vector_width(a);
  const auto& indexes = a.integers("ngram_indexes");
  if (width <= 0 || std::any_of(indexes.begin(), indexes.end(), [](int64_t i) { return i < 0; }))
    c.fail("ngram_indexes: expected indices of 0 to 2^31-1", ErrorCode::kInvalidModel);
  if (a.has("weights") && static_cast<int64_t>(a.reals("weights").size()) < width)
    c.fail(concat("weights: expected ", width, ", got ", a.reals("weights").size()),
           ErrorCode::kInvalidModel);
  if (!c.has_rank(0)) return set_tensor(c, 0, DType::kF32, std::nullopt);
  if (c.rank(0) != 1 && c.rank(0) != 2)
    c.fail(concat("expected rank 1 or 2, got ", c.input(0).to_string()));
  set_tensor(c, 0, DType::kF32, c.rank(0) == 1 ? Shape{width} : Shape{c.shape(0)[0], width});
}

// The pool as a tree: an edge is a token, a node the n-gram that ends there.
template <class Token>
struct Gram {
  int64_t output = -1;  // place in the output vector; -1: no n-gram ends here
  std::map<Token, Gram> next;
};

template <class Token>
Gram<Token> read_pool(const KernelContext& c, const std::vector<Token>& pool) {
  const auto& starts = c.attributes().integers("ngram_counts");
  const auto& indexes = c.attributes().integers("ngram_indexes");
  const int64_t least = c.attributes().integer("min_gram_length"),
                most = c.attributes().integer("max_gram_length");
  const auto total = static_cast<int64_t>(pool.size());
  Gram<Token> root;
  size_t id = 0;
  for (size_t i = 0; i < starts.size(); ++i) {
    const int64_t first = starts[i], last = i + 1 < starts.size() ? starts[i + 1] : total;
    const auto length = static_cast<int64_t>(i) + 1;
    if (first < 0 || last > total || first > last || (last - first) % length != 0)
      c.fail(concat("ngram_counts: ", first, " to ", last, " is no run of ", length,
                    "-grams in a pool of ", total),
             ErrorCode::kInvalidModel);
    for (int64_t at = first; at < last; at += length, ++id) {
      if (id >= indexes.size())
        c.fail(concat("ngram_indexes has ", indexes.size(), " entries for more n-grams"),
               ErrorCode::kInvalidModel);
      if (length < least || length > most) continue;
      Gram<Token>* gram = &root;
      for (int64_t k = 0; k < length; ++k) gram = &gram->next[pool[static_cast<size_t>(at + k)]];
      gram->output = indexes[id];
    }
  }
  return root;
}

struct GramLimits {
  int64_t least, most, skips;
};

template <class Token>
void count_grams(KernelContext& c, const Gram<Token>& root, std::span<const Token> row,
                 GramLimits limits, double* counts) {
  const auto size = static_cast<int64_t>(row.size());
  for (int64_t distance = 1; distance <= limits.skips + 1 && distance <= size; ++distance) {
    c.budget().spend_work(size, c.node());
    for (int64_t start = 0; start < size; ++start) {
      const Gram<Token>* gram = &root;
      int64_t length = 0;
      for (int64_t at = start; at < size && length < limits.most; at += distance) {
        const auto found = gram->next.find(row[static_cast<size_t>(at)]);
        if (found == gram->next.end()) break;
        gram = &found->second;
        if (++length >= limits.least && gram->output >= 0) ++counts[gram->output];
      }
    }
    // Single tokens do not depend on the distance: they are counted once.
    limits.least = std::max<int64_t>(limits.least, 2);
    if (limits.least > limits.most) return;
  }
}

template <class Token>
void vectorize(KernelContext& c, const std::vector<Token>& pool, const std::vector<Token>& tokens) {
  const Attributes& a = c.attributes();
  const Gram<Token> root = read_pool(c, pool);
  const int64_t width = vector_width(a);
  const GramLimits limits{a.integer("min_gram_length"), a.integer("max_gram_length"),
                          std::clamp<int64_t>(a.integer("max_skip_count"), 0, INT32_MAX)};
  const Dims& dims = c.input(0).dims();
  const int64_t rows = dims.size() == 1 ? 1 : dims[0], length = dims.back();
  const std::vector<double> weights = a.reals("weights", {});
  const bool counts_matter = a.text("mode") != "IDF",
             weighs = a.text("mode") != "TF" && !weights.empty();
  std::vector<double> counts(static_cast<size_t>(c.output(0).count()), 0);
  for (int64_t row = 0; row < rows; ++row) {
    double* out = counts.data() + row * width;
    count_grams<Token>(
        c, root,
        std::span(tokens).subspan(static_cast<size_t>(row * length), static_cast<size_t>(length)),
        limits, out);
    for (int64_t i = 0; i < width; ++i) {
      if (!counts_matter) out[i] = out[i] > 0 ? 1 : 0;
      if (weighs) out[i] *= weights[static_cast<size_t>(i)];
    }
  }
  store(c.output(0), counts);
}

void run_tf_idf(KernelContext& c) {
  if (c.input(0).dtype() == DType::kString)
    vectorize(c, c.attributes().texts("pool_strings"), c.input(0).string_values());
  else
    vectorize(c, c.attributes().integers("pool_int64s"), load<int64_t>(c.input(0)));
}

const RegisterOp kTfIdfVectorizer(
    {.name = "TfIdfVectorizer",
     .attributes =
         {required("mode", AttrKind::kString), required("ngram_counts", AttrKind::kInts),
          required("ngram_indexes", AttrKind::kInts), required("min_gram_length", AttrKind::kInt),
          required("max_gram_length", AttrKind::kInt), required("max_skip_count", AttrKind::kInt),
          optional("pool_int64s", AttrKind::kInts), optional("pool_strings", AttrKind::kStrings),
          optional("weights", AttrKind::kFloats)},
     .infer = infer_tf_idf,
     .run = run_tf_idf,
     .source = "https://onnx.ai/onnx/operators/onnx__TfIdfVectorizer.html"});

}  // namespace
}  // namespace planish
