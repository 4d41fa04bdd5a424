// SPDX-License-Identifier: Apache-2.0
// RegexFullMatch: whether each string as a whole matches a pattern.
#include "base/str.h"
#include "ops/regex.h"
#include "ops/shape_rules.h"

namespace planish {
namespace {

void infer_regex_full_match(InferContext& c) {
  check_tensor(c, 0, is_string, "strings");
  c.attributes().text("pattern");
  set_tensor(c, 0, DType::kBool, c.input(0).shape);
}

void run_regex_full_match(KernelContext& c) {
  const std::string& pattern = c.attributes().text("pattern");
  try {
    const Regex regex(pattern);
    const std::vector<std::string>& texts = c.input(0).string_values();
    for (size_t i = 0; i < texts.size(); ++i) {
      c.budget().spend_work(regex.size() * static_cast<int64_t>(texts[i].size() + 1), c.node());
      c.output(0).as<uint8_t>()[i] = regex.matches_whole(texts[i]) ? 1 : 0;
    }
  } catch (const Error& e) {
    if (!e.node().empty()) throw;
    c.fail(e.what(), e.code());
  }
}

const RegisterOp kRegexFullMatch(
    {.name = "RegexFullMatch",
     .attributes = {required("pattern", AttrKind::kString)},
     .infer = infer_regex_full_match,
     .run = run_regex_full_match,
     .source = "https://onnx.ai/onnx/operators/onnx__RegexFullMatch.html"});

}  // namespace
}  // namespace planish
