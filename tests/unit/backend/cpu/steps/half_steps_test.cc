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
     {"cpu.pointwise", "cpu.conv", "cpu.pointwise"}},
    {"matrix_and_softmax",
     "input %x : bfloat16[4, 24]\n" + random_constant("w", DType::kBF16, {24, 17}) +
         "%y = MatMul(%x, %w)\n%z = Softmax(%y)\noutput %z",
     {"cpu.pointwise", "cpu.gemm", "cpu.softmax", "cpu.pointwise"}},
    {"casts_of_the_model",
     "input %x : float32[4, 24]\n%h = Cast(%x) {to=10}\n%s = Sigmoid(%h)\n%t = Mul(%h, %s)\n"
     "%y = Cast(%t) {to=1}\n%m = ReduceMean(%y) {keepdims=0}\noutput %t\noutput %m",
     {"cpu.pointwise", "cpu.pointwise", "cpu.pointwise", "cpu.pointwise", "cpu.reduce"}},
    {"moved_and_kept",
     "input %x : float16[2, 3, 4]\ninput %i : int64[2]\n%t = Transpose(%x) {perm=[0, 2, 1]}\n"
     "%g = Gather(%t, %i) {axis=1}\n%c = Sigmoid(%g)\noutput %t\noutput %c",
     {"cpu.transpose", "cpu.gather", "cpu.transpose", "cpu.pointwise", "cpu.pointwise",
      "cpu.pointwise"}},
    {"moved_between_products",
     "input %x : float16[2, 3, 4]\n" + random_constant("w", DType::kF16, {3, 5}) +
         "%s = Sigmoid(%x)\n%t = Transpose(%s) {perm=[0, 2, 1]}\n%y = MatMul(%t, %w)\noutput %y",
     {"cpu.pointwise", "cpu.pointwise", "cpu.transpose", "cpu.gemm", "cpu.pointwise"}},
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
