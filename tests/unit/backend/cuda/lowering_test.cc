// SPDX-License-Identifier: Apache-2.0
// What lowerings take and what they leave to the host: a node that no kernel computes as ONNX means
// it must not be one of the GPU's.
#include <gtest/gtest.h>

#include "base/str.h"
#include "planish/error.h"
#include "unit/backend/cpu/step_case_support.h"
#include "unit/backend/cuda/engine_support.h"

namespace planish {
namespace {

using test::check_on_gpu;
using test::error_on_gpu;
using test::noise;
using test::with_precision;

// 10 times 1.05 is 10 elements too, but not the same ones.
TEST(CudaLowering, ResizeByAFactorThatKeepsTheSizeIsNoIdentity) {
  for (const char* mode : {"linear", "nearest"})
    EXPECT_EQ(check_on_gpu({.text = concat(R"(
graph "resize" {
  input %x : float32[n, 2, 10, 6]
  const %scales = float32[4] {1.0, 1.0, 1.05, 2.0}
  %y = Resize(%x, _, %scales) {mode=")",
                                           mode, R"("}
  output %y as "y"
})"),
                            .runs = {{noise(DType::kF32, {2, 2, 10, 6}, 3)}}}),
              "")
        << mode;
}

TEST(CudaLowering, AttentionOfMixedTypesIsTheHosts) {
  const auto text = [](const char* q, const char* v) {
    return concat("graph \"attention\" {\n  input %q : ", q, "[b, 2, 5, 8]\n  input %k : ", q,
                  "[b, 2, 7, 8]\n  input %v : ", v,
                  "[b, 2, 7, 8]\n  %y = Attention(%q, %k, %v)\n  output %y as \"y\"\n}");
  };
  const auto run = [](DType q, DType v) {
    return std::vector<Datum>{noise(q, {2, 2, 5, 8}, 1), noise(q, {2, 2, 7, 8}, 2),
                              noise(v, {2, 2, 7, 8}, 3)};
  };
  EXPECT_EQ(check_on_gpu({.text = text("float32", "float16"),
                          .runs = {run(DType::kF32, DType::kF16)},
                          .host_steps = 1}),
            "");
  EXPECT_EQ(check_on_gpu({.text = text("float16", "float32"),
                          .runs = {run(DType::kF16, DType::kF32)},
                          .tolerance = 2e-3,
                          .host_steps = 1}),
            "");
}

// 64 KiB on sm_75: half of what a head of 256 elements takes.
TEST(CudaLowering, MoreSharedMemoryThanTheChipHasIsTheHosts) {
  for (int major : {7, 9})
    EXPECT_EQ(check_on_gpu({.text = R"(
graph "attention" {
  input %q : float16[1, 1, 3, 256]
  input %k : float16[1, 1, 4, 256]
  input %v : float16[1, 1, 4, 256]
  %y = Attention(%q, %k, %v)
  output %y as "y"
})",
                            .runs = {{noise(DType::kF16, {1, 1, 3, 256}, 1),
                                      noise(DType::kF16, {1, 1, 4, 256}, 2),
                                      noise(DType::kF16, {1, 1, 4, 256}, 3)}},
                            .tolerance = 2e-3,
                            .host_steps = major == 7 ? 1 : 0,
                            .major = major,
                            .minor = major == 7 ? 5 : 0}),
              "")
        << "sm_" << major;
}

// Batches beyond a grid's 65535; without queries nothing is launched, so that it is quick.
TEST(CudaLowering, ManyBatches) {
  EXPECT_EQ(check_on_gpu({.text = R"(
graph "batches" {
  input %q : float32[b, 1, n, 2]
  input %k : float32[b, 1, 1, 2]
  %a = Attention(%q, %k, %k)
  output %a as "a"
})",
                          .runs = {{noise(DType::kF32, {65537, 1, 0, 2}, 4),
                                    noise(DType::kF32, {65537, 1, 1, 2}, 5)}}}),
            "");
}

TEST(CudaLowering, WindowsByEveryWayOfPadding) {
  const std::string weights = test::random_constant("w", DType::kF32, {4, 8, 3, 3});
  for (const char* padding :
       {"dilations=[1, 1]", "auto_pad=\"\", pads=[1, 0, 2, 1]", "strides=[], dilations=[], pads=[]",
        "auto_pad=\"VALID\", strides=[2, 1]", "auto_pad=\"SAME_UPPER\", strides=[2, 2]",
        "auto_pad=\"SAME_LOWER\", strides=[2, 3]"})
    EXPECT_EQ(
        check_on_gpu({.text = concat("graph \"windows\" {\n  input %x : float32[n, 8, 7, 9]\n",
                                     weights, "  %a = Conv(%x, %w) {", padding,
                                     "}\n  %b = MaxPool(%x) {kernel_shape=[3, 2], ", padding,
                                     "}\n  %c = AveragePool(%x) {kernel_shape=[2, 3], ", padding,
                                     "}\n  output %a as \"a\"\n  output %b as \"b\"\n"
                                     "  output %c as \"c\"\n}"),
                      .runs = {{noise(DType::kF32, {2, 8, 7, 9}, 6)}}}),
        "")
        << padding;
}

// Zeros behind the pixels alone are pads too.
TEST(CudaLowering, PixelwiseConvolutionsWithPadsAtTheEnd) {
  EXPECT_EQ(check_on_gpu({.text = concat("graph \"ends\" {\n  input %x : float32[n, 8, 3, 4]\n",
                                         test::random_constant("w", DType::kF32, {4, 8, 1, 1}),
                                         "  %y = Conv(%x, %w) {pads=[0, 0, 1, 2]}\n"
                                         "  output %y as \"y\"\n}"),
                          .runs = {{noise(DType::kF32, {2, 8, 3, 4}, 7)}}}),
            "");
}

// Windows with holes whose ends lie far outside: 3 taps, 2^19 apart.
TEST(CudaLowering, PoolingWithHugeGeometry) {
  EXPECT_EQ(check_on_gpu({.text = R"(
graph "huge" {
  input %x : float32[1, 4, 5]
  %a = MaxPool(%x) {kernel_shape=[3], dilations=[524288], pads=[524288, 524288]}
  %b = AveragePool(%x) {kernel_shape=[1000001], pads=[1000000, 1000000], strides=[1000000]}
  output %a as "a"
  output %b as "b"
})",
                          .runs = {{noise(DType::kF32, {1, 4, 5}, 8)}}}),
            "");
}

TEST(CudaLowering, GeometryBeyondTheBoundIsTheHosts) {
  EXPECT_EQ(check_on_gpu({.text = R"(
graph "beyond" {
  input %x : float32[1, 4, 5]
  %a = MaxPool(%x) {kernel_shape=[2], dilations=[4294967296], pads=[4294967296, 0]}
  output %a as "a"
})",
                          .runs = {{noise(DType::kF32, {1, 4, 5}, 9)}},
                          .host_steps = 1}),
            "");
}

// The size is known only at run time, so nothing could be told before.
TEST(CudaLowering, AWindowThatDoesNotFitIsAnError) {
  const auto text = [](const std::string& node) {
    return concat("graph \"narrow\" {\n  input %x : float32[1, 8, h, 9]\n",
                  test::random_constant("w", DType::kF32, {8, 8, 3, 3}),
                  test::random_constant("d", DType::kF32, {8, 1, 3, 3}), node,
                  "\n  output %y as \"y\"\n}");
  };
  const std::vector<Datum> narrow{noise(DType::kF32, {1, 8, 2, 9}, 1)};
  for (const char* node : {"%y = MaxPool(%x) {kernel_shape=[3, 3], strides=[2, 2]}",
                           "%y = AveragePool(%x) {kernel_shape=[3, 3], auto_pad=\"VALID\"}",
                           "%y = Conv(%x, %w)", "%y = Conv(%x, %d) {group=8}"})
    EXPECT_NE(error_on_gpu(text(node), narrow)
                  .find("spatial axis 0: a window of 3 does not fit into the padded input of 2"),
              std::string::npos)
        << node << ": " << error_on_gpu(text(node), narrow);
}

TEST(CudaLowering, NothingStandsAtAnEmptyEdge) {
  const auto text = [](const char* mode) {
    return concat(
        "graph \"pad\" {\n  input %x : float32[2, h]\n"
        "  const %p = int64[4] {0, 1, 0, 2}\n  %y = Pad(%x, %p) {mode=\"",
        mode, "\"}\n  output %y as \"y\"\n}");
  };
  for (const char* mode : {"edge", "wrap"})
    EXPECT_NE(error_on_gpu(text(mode), {noise(DType::kF32, {2, 0}, 1)}), "") << mode;
  EXPECT_EQ(check_on_gpu({.text = text("constant"), .runs = {{noise(DType::kF32, {2, 0}, 1)}}}),
            "");
}

// 70000 is infinite in float16, 257 is 256 in bfloat16.
TEST(CudaLowering, WideIntegersStayWhole) {
  Tensor numbers(DType::kI64, {3});
  const int64_t given[3] = {70000, 257, -3};
  std::copy_n(given, 3, numbers.as<int64_t>());
  for (const char* precision : {"fp16", "bf16"})
    EXPECT_EQ(check_on_gpu({.text = R"(
graph "cast" {
  input %i : int64[3]
  %y = Cast(%i) {to=1}
  output %y as "y"
})",
                            .runs = {{numbers}},
                            .options = with_precision(precision),
                            .tolerance = 0}),
              "")
        << precision;
}

TEST(CudaLowering, SumsOfIntegersAreScaledBeforeTheyAreNarrowed) {
  Tensor x(DType::kU8, {2, 64}), w(DType::kU8, {64, 3});
  std::fill_n(x.as<uint8_t>(), x.count(), uint8_t{200});
  std::fill_n(w.as<uint8_t>(), w.count(), uint8_t{250});
  EXPECT_EQ(check_on_gpu({.text = R"(
graph "sums" {
  input %x : uint8[2, 64]
  input %w : uint8[64, 3]
  const %scale = float32[] {0.0001}
  %sum = MatMulInteger(%x, %w)
  %real = Cast(%sum) {to=1}
  %twice = Add(%real, %real)
  %y = Mul(%twice, %scale)
  %z = Relu(%y)
  output %z as "z"
})",
                          .runs = {{x, w}},
                          .options = with_precision("fp16"),
                          .tolerance = 1e-3,
                          .host_steps = 1}),
            "");
}

}  // namespace
}  // namespace planish
