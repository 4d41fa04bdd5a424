// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"
#include "unit/backend/cpu/step_case_support.h"

namespace planish::test {
namespace {

struct Layer {
  std::string name, kernel;
  std::string x;  // shape
  Dims w;
  std::string attributes;
  std::string inputs;  // behind x and w
  std::string tail = "%z = Identity(%y)";
  std::vector<std::vector<Dims>> runs = {};
  std::string op = "Conv";
};

StepCase conv_case(const Layer& l) {
  const std::string attributes = l.attributes.empty() ? "" : concat(" {", l.attributes, "}");
  return {l.name,
          concat("input %x : float32[", l.x, "]\n", random_constant("w", DType::kF32, l.w),
                 random_constant("b", DType::kF32, {l.op == "ConvTranspose" ? l.w[1] : l.w[0]}),
                 "const %low = float32[] {-0.5}\nconst %high = float32[] {0.75}\n", "%y = ", l.op,
                 "(%x, %w", l.inputs, ")", attributes, "\n", l.tail, "\noutput %z"),
          {l.kernel},
          l.runs};
}

const std::string kSame = "pads=[1, 1, 1, 1]";
// For tails that use %x: pixels are in its layout already, so that nothing keeps them apart.
const std::string kNhwc = "planish.ConvNhwc";

const std::vector<Layer> kLayers = {
    {"plain", "cpu.conv", "2, 3, 9, 11", {5, 3, 3, 3}, kSame, ", %b"},
    {"one_by_one", "cpu.conv", "2, 7, 5, 3", {9, 7, 1, 1}, "", ", %b"},
    {"strided", "cpu.conv", "1, 4, 10, 9", {6, 4, 3, 3}, kSame + ", strides=[2, 2]", ""},
    {"dilated", "cpu.conv", "1, 4, 12, 9", {6, 4, 3, 2}, "dilations=[2, 3]", ""},
    {"uneven_pads", "cpu.conv", "1, 4, 6, 5", {6, 4, 3, 4}, "pads=[0, 2, 1, 3]", ""},
    {"no_auto_pad", "cpu.conv", "1, 4, 6, 5", {6, 4, 3, 4}, "auto_pad=\"\", pads=[0, 2, 1, 3]", ""},
    {"same_upper", "cpu.conv", "1, 4, 7, 6", {6, 4, 3, 4}, "auto_pad=\"SAME_UPPER\"", ""},
    {"same_lower",
     "cpu.conv",
     "1, 4, 7, 6",
     {6, 4, 2, 4},
     "auto_pad=\"SAME_LOWER\", strides=[2, 1]",
     ""},
    {"one_pixel_wide",
     "cpu.conv",
     "2, 5, 40, 1",
     {7, 5, 5, 1},
     "pads=[2, 0, 2, 0]",
     ", %b",
     "%z = Relu(%y)"},
    {"one_pixel_wide_three_d",
     "cpu.conv",
     "1, 5, 9, 1, 1",
     {7, 5, 3, 1, 1},
     "strides=[2, 3, 1]",
     ""},
    {"depthwise_one_pixel_wide",
     "cpu.depthwise",
     "2, 5, 40, 1",
     {5, 1, 5, 1},
     "pads=[2, 0, 2, 0], group=5",
     ", %b"},
    {"groups", "cpu.conv", "2, 12, 6, 5", {6, 4, 3, 3}, kSame + ", group=3", ", %b"},
    {"one_d", "cpu.conv", "2, 5, 13", {4, 5, 3}, "pads=[1, 1]", ", %b"},
    {"three_d", "cpu.conv", "1, 3, 5, 6, 4", {4, 3, 2, 3, 3}, "", ""},
    {"clip", "cpu.conv", "2, 3, 9, 11", {33, 3, 3, 3}, kSame, ", %b", "%z = Clip(%y, %low, %high)"},
    {"hard_swish", "cpu.conv", "1, 3, 9, 11", {17, 3, 3, 3}, kSame, "", "%z = HardSwish(%y)"},
    {"silu",
     "cpu.conv",
     "1, 3, 9, 11",
     {17, 3, 3, 3},
     kSame,
     "",
     "%s = Sigmoid(%y)\n%z = Mul(%y, %s)"},
    {"residual",
     "cpu.conv",
     "1, 9, 11, 6",
     {6, 6, 3, 3},
     kSame,
     ", %b",
     "%s = Add(%y, %x)\n%z = Relu(%s)",
     {},
     kNhwc},
    {"residual_last",
     "cpu.conv",
     "1, 9, 11, 6",
     {6, 6, 3, 3},
     kSame,
     ", %b",
     "%s = Relu(%y)\n%z = Add(%s, %x)",
     {},
     kNhwc},
    {"tape",
     "cpu.conv",
     "1, 9, 11, 6",
     {6, 6, 3, 3},
     kSame,
     ", %b",
     "%s = Exp(%y)\n%t = Mul(%s, %x)\n%z = Softplus(%t)",
     {},
     kNhwc},
    {"nothing_but_pads",
     "cpu.conv",
     "n, 3, h, w",
     {4, 3, 2, 2},
     kSame,
     ", %b",
     "%z = Relu(%y)",
     {{{2, 3, 0, 4}}, {{2, 3, 5, 0}}, {{1, 3, 0, 0}}, {{1, 3, 3, 4}}}},
    {"empty_batch", "cpu.conv", "0, 3, 5, 5", {4, 3, 3, 3}, kSame, ""},
    {"dynamic",
     "cpu.conv",
     "n, 3, h, w",
     {4, 3, 3, 3},
     kSame,
     ", %b",
     "%z = Relu(%y)",
     {{{1, 3, 8, 8}}, {{2, 3, 5, 17}}, {{0, 3, 4, 4}}, {{1, 3, 1, 1}}, {{1, 3, 8, 8}}}},
    {"depthwise", "cpu.depthwise", "2, 19, 9, 11", {19, 1, 3, 3}, kSame + ", group=19", ", %b"},
    {"depthwise_strided",
     "cpu.depthwise",
     "1, 35, 9, 12",
     {35, 1, 5, 5},
     "pads=[2, 2, 2, 2], strides=[2, 2], group=35",
     ", %b",
     "%z = Clip(%y, %low, %high)"},
    {"depthwise_multiplier",
     "cpu.depthwise",
     "1, 5, 7, 6",
     {15, 1, 3, 3},
     kSame + ", group=5",
     ", %b",
     "%z = HardSwish(%y)"},
    {"depthwise_dilated",
     "cpu.depthwise",
     "1, 16, 12, 9",
     {16, 1, 3, 3},
     "dilations=[2, 2], group=16",
     "",
     "%s = Sigmoid(%y)\n%z = Mul(%y, %s)"},
    {"depthwise_same",
     "cpu.depthwise",
     "1, 16, 7, 6",
     {16, 1, 4, 3},
     "auto_pad=\"SAME_UPPER\", strides=[2, 1], group=16",
     ""},
    {"depthwise_residual",
     "cpu.depthwise",
     "1, 9, 11, 20",
     {20, 1, 3, 3},
     kSame + ", group=20",
     ", %b",
     "%s = Add(%y, %x)\n%z = Relu(%s)",
     {},
     kNhwc},
    {"depthwise_tape",
     "cpu.depthwise",
     "1, 9, 11, 20",
     {20, 1, 3, 3},
     kSame + ", group=20",
     ", %b",
     "%s = Exp(%y)\n%t = Mul(%s, %x)\n%z = Softplus(%t)",
     {},
     kNhwc},
    {"depthwise_one_d", "cpu.depthwise", "2, 6, 13", {6, 1, 7}, "pads=[3, 3], group=6", ", %b"},
    {"depthwise_dynamic",
     "cpu.depthwise",
     "n, 8, h, w",
     {8, 1, 3, 3},
     kSame + ", group=8",
     ", %b",
     "%z = Relu(%y)",
     {{{1, 8, 8, 8}}, {{2, 8, 5, 17}}, {{0, 8, 4, 4}}, {{1, 8, 1, 1}}, {{1, 8, 8, 8}}}},
    {"transposed",
     "cpu.deconv",
     "1, 4, 5, 6",
     {4, 3, 3, 3},
     "strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]",
     ", %b",
     "%z = Relu(%y)",
     {},
     "ConvTranspose"},
    {"transposed_groups",
     "cpu.deconv",
     "2, 4, 5",
     {4, 1, 4},
     "strides=[2], group=2",
     "",
     "%z = Identity(%y)",
     {},
     "ConvTranspose"},
};

std::vector<StepCase> conv_cases() {
  std::vector<StepCase> cases;
  for (const Layer& l : kLayers) cases.push_back(conv_case(l));
  for (const auto& [name, tail] :
       {std::pair("transposed_residual", "%s = Add(%y, %r)\n%z = Relu(%s)"),
        std::pair("transposed_residual_last", "%s = Relu(%y)\n%z = Add(%s, %r)"),
        std::pair("transposed_tape", "%s = Exp(%y)\n%t = Mul(%s, %r)\n%z = Softplus(%t)")})
    cases.push_back({name, deconv_graph(tail), {"cpu.deconv"}});
  return cases;
}

class ConvSteps : public ::testing::TestWithParam<StepCase> {};
TEST_P(ConvSteps, AgreeWithReference) { check_steps(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Table, ConvSteps, ::testing::ValuesIn(conv_cases()), step_case_name);

}  // namespace
}  // namespace planish::test
