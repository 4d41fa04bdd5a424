// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"
#include "unit/backend/cpu/step_case_support.h"

namespace planish::test {
namespace {

const std::vector<StepCase> kHalves = {
    {"conv",
     "input %x : float16[1, 3, 9, 8]\n" + random_constant("w", DType::kF16, {5, 3, 3, 3}) +
         random_constant("b", DType::kF16, {5}) +
         "%y = Conv(%x, %w, %b) {pads=[1, 1, 1, 1]}\n%z = Relu(%y)\noutput %z",
     {"cpu.conv"}},
    {"matrix_and_softmax",
     "input %x : bfloat16[4, 24]\n" + random_constant("w", DType::kBF16, {24, 17}) +
         "%y = MatMul(%x, %w)\n%z = Softmax(%y)\noutput %z",
     {"cpu.gemm", "cpu.softmax"}},
    {"casts_of_the_model",
     "input %x : float32[4, 24]\n%h = Cast(%x) {to=10}\n%s = Sigmoid(%h)\n%t = Mul(%h, %s)\n"
     "%y = Cast(%t) {to=1}\n%m = ReduceMean(%y) {keepdims=0}\noutput %t\noutput %m",
     {"cpu.pointwise"}},
    {"moved_and_kept",
     "input %x : float16[2, 3, 4]\ninput %i : int64[2]\n%t = Transpose(%x) {perm=[0, 2, 1]}\n"
     "%g = Gather(%t, %i) {axis=1}\n%c = Clip(%g)\noutput %t\noutput %c",
     {"cpu.transpose", "cpu.gather"}},
};

class HalfSteps : public ::testing::TestWithParam<StepCase> {};
TEST_P(HalfSteps, AgreeWithReference) {
  StepCase c = GetParam();
  c.disable_tactic = "onednn";
  check_steps(c);
}
INSTANTIATE_TEST_SUITE_P(Table, HalfSteps, ::testing::ValuesIn(kHalves), step_case_name);

}  // namespace
}  // namespace planish::test
