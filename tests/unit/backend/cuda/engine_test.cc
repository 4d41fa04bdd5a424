// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/str.h"
#include "planish/error.h"
#include "unit/backend/cpu/step_case_support.h"
#include "unit/backend/cuda/engine_support.h"

namespace planish {
namespace {

using cuda::EmulatedGpu;
using test::build_for_gpu;
using test::check_on_gpu;
using test::noise;

TEST(CudaEngine, PointwiseTreesAreOneKernelEach) {
  EXPECT_EQ(check_on_gpu({.text = R"(
graph "tree" {
  input %x : float32[batch, 5, 7]
  input %y : float32[5, 1]
  const %c = float32[7] {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0}
  %a = Add(%x, %y)
  %b = Mul(%a, %c)
  %d = Sigmoid(%b)
  %e = Sub(%d, %x)
  output %e as "e"
})",
                          .runs = {{noise(DType::kF32, {3, 5, 7}), noise(DType::kF32, {5, 1})},
                                   {noise(DType::kF32, {1, 5, 7}), noise(DType::kF32, {5, 1})},
                                   {noise(DType::kF32, {0, 5, 7}), noise(DType::kF32, {5, 1})}}}),
            "");
}

TEST(CudaEngine, EveryKindOfNumber) {
  EXPECT_EQ(check_on_gpu({.text = R"(
graph "numbers" {
  input %i : int32[40]
  input %j : int8[40]
  input %d : float64[40]
  input %h : float16[40]
  %a = Mul(%i, %i)
  %b = Add(%j, %j)
  %c = Exp(%d)
  %e = Cast(%h) {to=1}
  %f = Cast(%i) {to=9}
  %g = Not(%f)
  %k = Where(%f, %i, %a)
  output %a as "a"
  output %b as "b"
  output %c as "c"
  output %e as "e"
  output %g as "g"
  output %k as "k"
})",
                          .runs = {{noise(DType::kI32, {40}), noise(DType::kI8, {40}),
                                    noise(DType::kF64, {40}), noise(DType::kF16, {40})}}}),
            "");
}

TEST(CudaEngine, CopiesFollowStrides) {
  EXPECT_EQ(
      check_on_gpu({.text = R"(
graph "moves" {
  input %x : float32[n, 4, 6]
  const %starts = int64[2] {1, 5}
  const %ends = int64[2] {3, -7}
  const %axes = int64[2] {1, 2}
  const %steps = int64[2] {1, -2}
  %t = Transpose(%x) {perm=[2, 0, 1]}
  %s = Slice(%x, %starts, %ends, %axes, %steps)
  %c = Concat(%x, %x) {axis=1}
  output %t as "t"
  output %s as "s"
  output %c as "c"
})",
                    .runs = {{noise(DType::kF32, {2, 4, 6})}, {noise(DType::kF32, {5, 4, 6})}}}),
      "");
}

TEST(CudaEngine, ProductsWithTails) {
  for (const char* precision : {"fp32", "tf32", "fp16"})
    EXPECT_EQ(
        check_on_gpu(
            {.text = concat(R"(
graph "products" {
  input %x : float32[2, n, 24]
  input %y : float32[2, 24, 17]
  input %mask : float32[2, 1, 17]
)",
                            test::random_constant("w", DType::kF32, {24, 40}),
                            test::random_constant("b", DType::kF32, {40}), R"(  %a = MatMul(%x, %w)
  %c = Add(%a, %b)
  %d = Relu(%c)
  %e = MatMul(%x, %y)
  %f = Add(%e, %mask)
  output %d as "d"
  output %f as "f"
})"),
             .runs = {{noise(DType::kF32, {2, 9, 24}), noise(DType::kF32, {2, 24, 17}),
                       noise(DType::kF32, {2, 1, 17})}},
             .options =
                 [&] {
                   Options o;
                   o.precision = precision;
                   return o;
                 }(),
             .tolerance = std::string(precision) == "fp32" ? 1e-5 : 5e-3}),
        "")
        << precision;
}

TEST(CudaEngine, ConvolutionsWithTails) {
  for (const char* precision : {"fp32", "fp16"})
    EXPECT_EQ(
        check_on_gpu(
            {.text = concat(R"(
graph "convolutions" {
  input %x : float32[n, 3, 10, 9]
)",
                            test::random_constant("w1", DType::kF32, {8, 3, 3, 3}),
                            test::random_constant("b1", DType::kF32, {8}),
                            test::random_constant("w2", DType::kF32, {8, 1, 3, 3}),
                            test::random_constant("w3", DType::kF32, {16, 8, 1, 1}),
                            R"(  %a = Conv(%x, %w1, %b1) {pads=[1, 1, 1, 1], strides=[2, 2]}
  %b = Relu(%a)
  %c = Conv(%b, %w2) {group=8, pads=[1, 1, 1, 1]}
  %d = Add(%c, %b)
  %e = Conv(%d, %w3)
  %f = Sigmoid(%e)
  output %f as "f"
  output %d as "d"
})"),
             .runs = {{noise(DType::kF32, {1, 3, 10, 9})}, {noise(DType::kF32, {3, 3, 10, 9})}},
             .options =
                 [&] {
                   Options o;
                   o.precision = precision;
                   return o;
                 }(),
             .tolerance = std::string(precision) == "fp32" ? 1e-5 : 1e-2}),
        "")
        << precision;
}

// Each count of channels that is packed or padded in its own way, with weights that all differ.
TEST(CudaEngine, ConvolutionsOfFewChannels) {
  for (int64_t channels : {1, 2, 3, 4, 5, 8, 12})
    for (const char* precision : {"fp32", "fp16"})
      EXPECT_EQ(check_on_gpu({.text = concat(
                                  "graph \"few\" {\ninput %x : float32[n, ", channels, ", h, w]\n",
                                  test::random_constant("w1", DType::kF32, {5, channels, 3, 3}),
                                  test::random_constant("w2", DType::kF32, {3, 5, 1, 1}),
                                  "%a = Conv(%x, %w1) {pads=[1, 1, 1, 1]}\n%b = Relu(%a)\n",
                                  "%c = Conv(%b, %w2)\noutput %c as \"c\"\n}"),
                              .runs = {{noise(DType::kF32, {1, channels, 6, 8})},
                                       {noise(DType::kF32, {2, channels, 5, 3})}},
                              .options =
                                  [&] {
                                    Options o;
                                    o.precision = precision;
                                    return o;
                                  }(),
                              .tolerance = std::string(precision) == "fp32" ? 1e-5 : 5e-3}),
                "")
          << channels << " channels, " << precision;
}

// What stands beside the root, neither before nor behind it, belongs to the tail too.
TEST(CudaEngine, TailsWithBranchesBesideTheRoot) {
  EXPECT_EQ(check_on_gpu({.text = concat(R"(
graph "gate" {
  input %x : float32[n, 24]
  input %g : float32[n, 16]
)",
                                         test::random_constant("w", DType::kF32, {24, 16}),
                                         R"(  %s = Sigmoid(%g)
  %h = Mul(%s, %g)
  %a = MatMul(%x, %w)
  %b = Mul(%h, %a)
  output %b as "b"
})"),
                          .runs = {{noise(DType::kF32, {5, 24}), noise(DType::kF32, {5, 16})}}}),
            "");
}

TEST(CudaEngine, ImagesOfAnySizeBetweenStepsOfTheHost) {
  EXPECT_EQ(check_on_gpu(
                {.text = concat(R"(
graph "images" {
  input %x : float32[n, 3, h, w]
)",
                                test::random_constant("w1", DType::kF32, {12, 3, 3, 3}),
                                test::random_constant("w2", DType::kF32, {4, 3, 3, 3}),
                                R"(  %a = Conv(%x, %w1) {pads=[1, 1, 1, 1]}
  %b = Tanh(%a)
  %c = DepthToSpace(%b) {blocksize=2}
  %l = LpNormalization(%c) {axis=1}
  %d = Conv(%l, %w2) {pads=[1, 1, 1, 1]}
  %e = LeakyRelu(%d) {alpha=0.2}
  output %e as "e"
})"),
                 .runs = {{noise(DType::kF32, {1, 3, 6, 8})}, {noise(DType::kF32, {2, 3, 9, 5})}},
                 .host_steps = 1}),
            "");
}

TEST(CudaEngine, WhatNoKernelComputesRunsOnTheHost) {
  EXPECT_EQ(
      check_on_gpu({.text = R"(
graph "host" {
  input %x : float32[n, 3, 3]
  %a = Relu(%x)
  %b = Det(%a)
  %c = Add(%b, %b)
  output %b as "b"
  output %c as "c"
})",
                    .runs = {{noise(DType::kF32, {2, 3, 3})}, {noise(DType::kF32, {4, 3, 3})}},
                    .host_steps = 1}),
      "");
}

TEST(CudaEngine, MemoryThatIsNotThereIsATypedErrorAndTheContextStaysUsable) {
  EmulatedGpu gpu;
  plan::Plan plan = build_for_gpu(R"(
graph "large" {
  input %x : float32[n, 1024]
  %a = Relu(%x)
  %b = Neg(%x)
  output %a as "a"
  output %b as "b"
})",
                                  gpu);
  const auto engine = Engine::create(std::move(plan));
  const auto context = engine->create_context();
  gpu.set_memory(100000);
  try {
    context->run({{noise(DType::kF32, {100, 1024})}});
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
  }
  EXPECT_EQ(context->run({{noise(DType::kF32, {2, 1024})}}).size(), 2U);
}

TEST(CudaEngine, ShapesThatComeAgainAreReplayed) {
  EmulatedGpu gpu;
  plan::Plan plan = build_for_gpu(R"(
graph "two" {
  input %x : float32[n, 6]
  %a = Relu(%x)
  %t = Transpose(%a) {perm=[1, 0]}
  %b = Exp(%t)
  output %b as "b"
})",
                                  gpu);
  const auto engine = Engine::create(std::move(plan));
  const auto context = engine->create_context();
  for (int i = 0; i < 5; ++i) context->run({{noise(DType::kF32, {2, 6})}});
  EXPECT_EQ(gpu.counts().captures, 1);
  EXPECT_EQ(gpu.counts().replays, 4);
  context->run({{noise(DType::kF32, {3, 6})}});
  EXPECT_EQ(gpu.counts().captures, 1) << "a shape that came once is not worth a recording";
}

TEST(CudaEngine, NothingIsLeftAllocated) {
  EmulatedGpu gpu;
  {
    plan::Plan plan = build_for_gpu(
        "graph \"g\" {\n  input %x : float32[4]\n  %a = Exp(%x)\n"
        "  output %a as \"a\"\n}",
        gpu);
    const auto engine = Engine::create(std::move(plan));
    const auto context = engine->create_context();
    context->run({{noise(DType::kF32, {4})}});
    EXPECT_GT(gpu.counts().allocations, 0);
  }
  EXPECT_EQ(gpu.counts().allocations, 0);
}

TEST(CudaEngine, APlanForAnotherChipIsRefusedInASentence) {
  EmulatedGpu gpu;
  Options options;
  options.target = "sm_80";
  plan::Plan plan = build_for_gpu(
      "graph \"g\" {\n  input %x : float32[4]\n  %a = Exp(%x)\n"
      "  output %a as \"a\"\n}",
      gpu, options);
  const auto engine = Engine::create(std::move(plan));
  try {
    engine->prepare();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kVersionMismatch);
    EXPECT_STREQ(error.what(), "the plan was made for sm_80, emulated GPU is sm_90");
  }
}

}  // namespace
}  // namespace planish
