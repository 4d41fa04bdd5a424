// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "ir/text.h"
#include "passes/infer.h"
#include "passes/layout/transposes.h"
#include "support/pass_case.h"

namespace planish::test {
namespace {

using passes::use_channels_last;

std::string net(const std::string& body, const std::string& type = "float32[n, 4, h, w]") {
  return "graph { input %x : " + type +
         " input %k : float32[6, 2, 3, 3] input %d : float32[4, 3, 2, 2] input %b : float32[6] " +
         body + R"( output %y as "y" })";
}
const std::string kLast = "%l = Transpose(%x) {perm=[0, 2, 3, 1]} ";
const std::string kFirst = " %y = Transpose(%m) {perm=[0, 3, 1, 2]}";
const std::vector<Bindings> kSizes = {{{"n", 2}, {"h", 7}, {"w", 5}},
                                      {{"n", 1}, {"h", 4}, {"w", 9}}};

PassCase turned(const std::string& name, const std::string& op, const std::string& rest) {
  return {name, net("%y = " + op + "(%x" + rest),
          net(kLast + "%m = planish." + op + "Nhwc(%l" + rest + kFirst), 1e-5, kSizes};
}

TEST(ChannelsLast, WindowsOfFloats) {
  check_pass(
      use_channels_last,
      {turned("convolution", "Conv", ", %k, %b) {group=2, pads=[1, 1, 0, 0], strides=[2, 1]}"),
       turned("without bias", "Conv", ", %k) {group=2, dilations=[1, 2]}"),
       turned("transposed convolution", "ConvTranspose",
              ", %d) {strides=[2, 2], output_padding=[1, 0]}"),
       turned("largest", "MaxPool", ") {kernel_shape=[3, 2], ceil_mode=1}"),
       turned("average", "AveragePool",
              ") {kernel_shape=[2, 2], pads=[1, 0, 1, 0], count_include_pad=1}")});
}

TEST(ChannelsLast, OfOneAndThreeAxes) {
  check_pass(
      use_channels_last,
      {{"one axis",
        R"(graph { input %x : float32[2, 4, t] input %k : float32[3, 4, 2] %y = Conv(%x, %k) output %y as "y" })",
        R"(graph { input %x : float32[2, 4, t] input %k : float32[3, 4, 2] %l = Transpose(%x) {perm=[0, 2, 1]}
                  %m = planish.ConvNhwc(%l, %k) %y = Transpose(%m) {perm=[0, 2, 1]} output %y as "y" })",
        1e-5,
        {{{"t", 6}}, {{"t", 3}}}},
       {"three axes",
        R"(graph { input %x : float32[1, 2, 3, 4, 5] %y = MaxPool(%x) {kernel_shape=[2, 2, 2]} output %y as "y" })",
        R"(graph { input %x : float32[1, 2, 3, 4, 5] %l = Transpose(%x) {perm=[0, 2, 3, 4, 1]}
                  %m = planish.MaxPoolNhwc(%l) {kernel_shape=[2, 2, 2]} %y = Transpose(%m) {perm=[0, 4, 1, 2, 3]}
                  output %y as "y" })"}});
}

TEST(ChannelsLast, WhatStaysAsItIs) {
  check_pass(
      use_channels_last,
      {{"doubles", R"(graph { input %x : float64[1, 2, 5, 5] input %k : float64[2, 2, 3, 3]
          %y = Conv(%x, %k) output %y as "y" })"},
       {"integers",
        R"(graph { input %x : int8[1, 2, 5, 5] %y = MaxPool(%x) {kernel_shape=[2, 2]} output %y as "y" })"},
       {"places of the largest",
        net("%y, %i = MaxPool(%x) {kernel_shape=[2, 2]}")
            .replace(net("%y, %i = MaxPool(%x) {kernel_shape=[2, 2]}").rfind("output"), 6,
                     "output %i as \"i\" output")},
       {"unknown rank", net("%y = Conv(%x, %k)", "float32[...]")},
       {"another window", net("%y = LpPool(%x) {kernel_shape=[2, 2]}")}});
}

// Values keep the model's names, with their axes' order where that changed, so that what a step
// makes can be compared with the model's value.
TEST(ChannelsLast, NamesSayTheOrderOfAxes) {
  const auto graph = ir::parse(R"(graph { input %x : float32[n, 4, h, w]
    const %k = float32[6, 4, 1, 1] splat 0.5 %c = Conv(%x, %k) %r = Relu(%c)
    %p = MaxPool(%r) {kernel_shape=[2, 2]} %t = Transpose(%p) {perm=[0, 2, 3, 1]}
    %s = Sigmoid(%t) output %s as "s" })");
  passes::infer_types(*graph, passes::Known::kIgnore);
  passes::PassContext context;
  for (const auto pass : {use_channels_last, passes::merge_transposes, passes::sink_transposes,
                          passes::merge_transposes})
    while (pass(*graph, context)) {
    }
  std::vector<std::string> names;
  for (const auto& node : graph->nodes()) names.push_back(node->output()->name());
  ASSERT_EQ(names.size(), 5u);
  names.erase(names.begin());  // the input's transpose
  EXPECT_THAT(names, testing::ElementsAre("c~0231", "r~0231", "p~0231", "s"));
}

}  // namespace
}  // namespace planish::test
