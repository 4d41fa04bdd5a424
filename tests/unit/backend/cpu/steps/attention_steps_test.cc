// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"
#include "unit/backend/cpu/step_case_support.h"

namespace planish::test {
namespace {

StepCase attention(const std::string& name, const std::string& mask, const std::string& attributes,
                   std::vector<std::string> kernels, std::vector<std::vector<Dims>> runs = {}) {
  const bool dynamic = !runs.empty();
  const std::string q = dynamic ? "b, 2, n, 8" : "2, 2, 5, 8";
  const std::string k = dynamic ? "b, 2, m, 8" : "2, 2, 7, 8";
  std::string text = concat("input %q : float32[", q, "]\ninput %k : float32[", k,
                            "]\ninput %v : float32[", k, "]\n");
  if (!mask.empty()) text += concat("input %m : ", mask, "\n");
  text += concat("%y = Attention(%q, %k, %v", mask.empty() ? "" : ", %m", ")",
                 attributes.empty() ? "" : concat(" {", attributes, "}"), "\noutput %y");
  return {name, text, std::move(kernels), std::move(runs)};
}

const std::vector<StepCase> kCases = {
    attention("plain", "", "", {"cpu.attention"}),
    attention("causal", "", "is_causal=1, scale=0.5", {"cpu.attention"}),
    attention("float_mask", "float32[2, 1, 5, 7]", "", {"cpu.attention"}),
    attention("bool_mask", "bool[2, 1, 1, 7]", "", {"cpu.pointwise", "cpu.attention"}),
    attention("integer_mask", "int64[5, 7]", "", {"cpu.pointwise", "cpu.attention"}),
    // The keys behind the mask are not seen; a mask of one column is not spread.
    attention("short_mask", "float32[5, 4]", "", {"cpu.attention"}),
    attention("short_bool_mask", "bool[2, 1, 5, 3]", "softcap=2.0",
              {"cpu.pointwise", "cpu.attention"}),
    attention("mask_of_one_column", "float32[2, 5, 1]", "is_causal=1", {"cpu.attention"}),
    attention("sizes_at_run_time", "bool[b, 1, 1, w]", "", {"cpu.pointwise", "cpu.attention"},
              {{{1, 2, 3, 8}, {1, 2, 9, 8}, {1, 2, 9, 8}, {1, 1, 1, 9}},
               {{3, 2, 70, 8}, {3, 2, 300, 8}, {3, 2, 300, 8}, {3, 1, 1, 200}},
               {{2, 2, 4, 8}, {2, 2, 6, 8}, {2, 2, 6, 8}, {2, 1, 1, 1}},
               {{2, 2, 4, 8}, {2, 2, 6, 8}, {2, 2, 6, 8}, {2, 1, 1, 0}}}),
};

class AttentionSteps : public ::testing::TestWithParam<StepCase> {};
TEST_P(AttentionSteps, AgreeWithReference) { check_steps(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Table, AttentionSteps, ::testing::ValuesIn(kCases), step_case_name);

}  // namespace
}  // namespace planish::test
