// SPDX-License-Identifier: Apache-2.0
// StringConcat, StringSplit, StringNormalizer.
#include <algorithm>
#include <set>

#include "base/checked.h"
#include "ops/broadcast.h"
#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/unicode.h"

namespace planish {
namespace {

// Strings may grow from iteration to iteration of a loop, so their bytes are charged.
void charge_bytes(KernelContext& c, const std::vector<std::string>& texts) {
  int64_t bytes = 0;
  for (const std::string& text : texts) bytes += static_cast<int64_t>(text.size());
  c.budget().check_value_bytes(bytes, c.node());
}

void infer_string_concat(InferContext& c) {
  for (int i = 0; i < 2; ++i) check_tensor(c, i, is_string, "strings");
  set_tensor(c, 0, DType::kString, broadcast_inputs(c, 0, 2));
}

void run_string_concat(KernelContext& c) {
  Tensor& out = c.output(0);
  const auto &a = c.input(0).string_values(), &b = c.input(1).string_values();
  size_t to = 0;
  for (Walk walk(out.dims(), {broadcast_view(c, c.input(0).dims(), out.dims()),
                              broadcast_view(c, c.input(1).dims(), out.dims())});
       !walk.done(); walk.next())
    out.string_values()[to++] = a[static_cast<size_t>(walk[0])] + b[static_cast<size_t>(walk[1])];
  charge_bytes(c, out.string_values());
}

void infer_string_split(InferContext& c) {
  check_tensor(c, 0, is_string, "strings");
  std::optional<Shape> parts = c.input(0).shape;
  if (parts) parts->push_back(c.fresh_dim());
  set_tensor(c, 0, DType::kString, std::move(parts));
  set_tensor(c, 1, DType::kI64, c.input(0).shape);
}

constexpr std::string_view kWhitespace = " \t\n\v\f\r";

std::vector<std::string> split_at_whitespace(std::string_view text, int64_t limit) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t start = text.find_first_not_of(kWhitespace);
    if (start == std::string_view::npos) return parts;
    text.remove_prefix(start);
    const size_t end = static_cast<int64_t>(parts.size()) < limit ? text.find_first_of(kWhitespace)
                                                                  : std::string_view::npos;
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end);
  }
}

std::vector<std::string> split_at_delimiter(std::string_view text, std::string_view delimiter,
                                            int64_t limit) {
  std::vector<std::string> parts;
  while (static_cast<int64_t>(parts.size()) < limit) {
    const size_t end = text.find(delimiter);
    if (end == std::string_view::npos) break;
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(end + delimiter.size());
  }
  parts.emplace_back(text);
  return parts;
}

void run_string_split(KernelContext& c) {
  const Tensor& in = c.input(0);
  const std::string delimiter = c.attributes().text("delimiter", "");
  const int64_t wish = c.attributes().integer("maxsplit", -1), limit = wish < 0 ? INT64_MAX : wish;
  std::vector<std::vector<std::string>> split;
  size_t widest = 0;
  for (const std::string& text : in.string_values()) {
    split.push_back(delimiter.empty() ? split_at_whitespace(text, limit)
                                      : split_at_delimiter(text, delimiter, limit));
    widest = std::max(widest, split.back().size());
  }
  if (c.wants_output(1))
    for (size_t i = 0; i < split.size(); ++i)
      c.output(1).as<int64_t>()[i] = static_cast<int64_t>(split[i].size());
  if (!c.wants_output(0)) return;
  Dims dims = in.dims();
  dims.push_back(static_cast<int64_t>(widest));
  // A string costs its object at least, which the budget does not see.
  c.budget().check_value_bytes(
      checked_mul<int64_t>(element_count(dims), sizeof(std::string), "bytes of the substrings"),
      c.node());
  auto& out = c.allocate(0, DType::kString, dims).string_values();
  for (size_t i = 0; i < split.size(); ++i)
    std::move(split[i].begin(), split[i].end(), out.begin() + static_cast<int64_t>(i * widest));
}

void infer_string_normalizer(InferContext& c) {
  check_tensor(c, 0, is_string, "strings");
  const std::string action = c.attributes().text("case_change_action", "NONE");
  if (action != "NONE" && action != "LOWER" && action != "UPPER")
    c.fail(concat("case_change_action: expected NONE, LOWER or UPPER, got \"", action, "\""),
           ErrorCode::kInvalidModel);
  if (!c.has_rank(0)) return set_tensor(c, 0, DType::kString, std::nullopt);
  if (c.rank(0) != 1 && c.rank(0) != 2)
    c.fail(concat("expected rank 1 or 2, got ", c.input(0).to_string()));
  if (c.rank(0) == 2) check_equal(c, c.shape(0)[0], 1, "rows of the input");
  set_tensor(c, 0, DType::kString,
             c.rank(0) == 1 ? Shape{c.fresh_dim()} : Shape{Dim(1), c.fresh_dim()});
}

void run_string_normalizer(KernelContext& c) {
  const Tensor& in = c.input(0);
  const bool exact = flag(c.attributes(), "is_case_sensitive", false);
  const std::string action = c.attributes().text("case_change_action", "NONE");
  std::set<std::string> stopwords;
  for (const std::string& word : c.attributes().texts("stopwords", {}))
    stopwords.insert(exact ? word : to_lower(word));
  std::vector<std::string> kept;
  for (const std::string& text : in.string_values()) {
    if (stopwords.count(exact ? text : to_lower(text)) != 0) continue;
    kept.push_back(action == "LOWER" ? to_lower(text) : action == "UPPER" ? to_upper(text) : text);
  }
  if (kept.empty()) kept.emplace_back();
  const auto count = static_cast<int64_t>(kept.size());
  c.set_output(0, Tensor::strings(in.rank() == 1 ? Dims{count} : Dims{1, count}, std::move(kept)));
}

const RegisterOp kStringConcat(
    {.name = "StringConcat",
     .inputs = {2, 2},
     .infer = infer_string_concat,
     .run = run_string_concat,
     .source = "https://onnx.ai/onnx/operators/onnx__StringConcat.html"});
const RegisterOp kStringSplit({.name = "StringSplit",
                               .attributes = {optional("delimiter", AttrKind::kString),
                                              optional("maxsplit", AttrKind::kInt)},
                               .outputs = {1, 2},
                               .infer = infer_string_split,
                               .run = run_string_split,
                               .source = "https://onnx.ai/onnx/operators/onnx__StringSplit.html"});
const RegisterOp kStringNormalizer(
    {.name = "StringNormalizer",
     .attributes = {optional("case_change_action", AttrKind::kString),
                    optional("is_case_sensitive", AttrKind::kInt),
                    optional("locale", AttrKind::kString),
                    optional("stopwords", AttrKind::kStrings)},
     .infer = infer_string_normalizer,
     .run = run_string_normalizer,
     .source = "https://onnx.ai/onnx/operators/onnx__StringNormalizer.html"});

}  // namespace
}  // namespace planish
