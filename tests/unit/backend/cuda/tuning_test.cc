// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "unit/backend/cuda/engine_support.h"
#include "unit/plan/plan_support.h"

namespace planish {
namespace {

using test::noise;
using test::TempFolder;

const char* const kProduct = R"(
graph "product" {
  input %x : float16[rows, 64]
  const %w = float16[64, 24] splat 0.25
  const %b = float16[24] splat 1.0
  %y = MatMul(%x, %w)
  %z = Add(%y, %b)
  output %z as "z"
})";

std::map<std::string, std::string> tactic_of(const plan::Plan& plan) {
  for (const plan::Record& record : plan.report)
    if (record.kind == "tactic") return record.fields;
  return {};
}

TEST(CudaTuning, TacticsAreMeasuredOnTheDeviceAndRemembered) {
  const TempFolder folder;
  Options options;
  options.level = 3;
  options.tuning_seconds = 600;
  options.timing_cache = folder.at("cache");
  const cuda::EmulatedGpu gpu;
  const auto measured = tactic_of(test::build_for_gpu(kProduct, gpu, options, true));
  EXPECT_NE(measured.at("reason").find("that were measured"), std::string::npos)
      << measured.at("reason");
  EXPECT_FALSE(measured.at("rivals").empty());
  for (const auto& [name, text] : measured) EXPECT_FALSE(name.starts_with("refused")) << text;
  // The cache decides the next build, of whatever level.
  EXPECT_EQ(tactic_of(test::build_for_gpu(kProduct, gpu, options, true)), measured);
  for (const int level : {0, 1}) {
    options.level = level;
    EXPECT_EQ(tactic_of(test::build_for_gpu(kProduct, gpu, options, true)).at("tactic"),
              measured.at("tactic"));
  }
}

TEST(CudaTuning, LevelZeroAsksTheCostModel) {
  Options options;
  options.level = 0;
  const cuda::EmulatedGpu gpu;
  EXPECT_TRUE(tactic_of(test::build_for_gpu(kProduct, gpu, options, true)).empty());
}

TEST(CudaTuning, TunedEnginesAreRight) {
  Options options;
  options.level = 1;
  EXPECT_EQ(
      test::check_on_gpu({.text = kProduct,
                          .runs = {{noise(DType::kF16, {5, 64})}, {noise(DType::kF16, {70, 64})}},
                          .options = options,
                          .tolerance = 2e-3,
                          .tunes = true}),
      "");
}

}  // namespace
}  // namespace planish
