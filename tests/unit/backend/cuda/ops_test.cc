// SPDX-License-Identifier: Apache-2.0
// A case for each lowering, with data that differ from element to element.
#include <gtest/gtest.h>

#include "base/str.h"
#include "unit/backend/cpu/step_case_support.h"
#include "unit/backend/cuda/engine_support.h"

namespace planish {
namespace {

using test::check_on_gpu;
using test::noise;
using test::picks;
using test::random_constant;
using test::with_precision;

TEST(CudaOps, GatherElementsAndTuples) {
  EXPECT_EQ(
      check_on_gpu(
          {.text = R"(
graph "gather" {
  input %x : float32[n, 4, 6]
  input %e : int64[n, 9, 6]
  input %t : int64[n, 5, 2]
  input %u : int64[3, 1]
  %a = GatherElements(%x, %e) {axis=1}
  %b = GatherND(%x, %t) {batch_dims=1}
  %c = GatherND(%x, %u)
  output %a as "a"
  output %b as "b"
  output %c as "c"
})",
           .runs = {{noise(DType::kF32, {5, 4, 6}), picks(DType::kI64, {5, 9, 6}, -4, 3),
                     picks(DType::kI64, {5, 5, 2}, -4, 3), picks(DType::kI64, {3, 1}, -5, 4)},
                    {noise(DType::kF32, {2, 4, 6}), picks(DType::kI64, {2, 9, 6}, -4, 3),
                     picks(DType::kI64, {2, 5, 2}, 0, 3), picks(DType::kI64, {3, 1}, 0, 1)}}}),
      "");
}

TEST(CudaOps, ScatterEveryWayOfJoining) {
  for (const char* reduction : {"none", "add", "mul", "max", "min"})
    EXPECT_EQ(
        check_on_gpu({.text = concat(R"(
graph "scatter" {
  input %x : float32[6, 5]
  input %e : int32[6, 3]
  input %u : float32[6, 3]
  const %t = int64[3, 1] {4, -6, 1}
  input %v : float32[3, 5]
  %a = ScatterElements(%x, %e, %u) {axis=1, reduction=")",
                                     reduction, R"("}
  %b = ScatterND(%x, %t, %v) {reduction=")",
                                     reduction, R"("}
  output %a as "a"
  output %b as "b"
})"),
                      .runs = {{noise(DType::kF32, {6, 5}, 1), picks(DType::kI32, {6, 3}, -5, 4, 2),
                                noise(DType::kF32, {6, 3}, 3), noise(DType::kF32, {3, 5}, 4)}}}),
        "")
        << reduction;
}

TEST(CudaOps, TrianglesAndOneHot) {
  EXPECT_EQ(
      check_on_gpu({.text = R"(
graph "fill" {
  input %x : float32[b, n, 7]
  input %i : int64[b, 3]
  const %k = int64[] {-2}
  const %depth = int64[] {5}
  const %values = float32[2] {-0.5, 2.5}
  %a = Trilu(%x) {upper=1}
  %b = Trilu(%x, %k) {upper=0}
  %c = OneHot(%i, %depth, %values) {axis=1}
  output %a as "a"
  output %b as "b"
  output %c as "c"
})",
                    .runs = {{noise(DType::kF32, {2, 6, 7}), picks(DType::kI64, {2, 3}, -7, 7)},
                             {noise(DType::kF32, {1, 9, 7}), picks(DType::kI64, {1, 3}, -7, 7)}}}),
      "");
}

TEST(CudaOps, RunningSumsAndTheBestOfALine) {
  EXPECT_EQ(check_on_gpu({.text = R"(
graph "scan" {
  input %x : float32[n, 50]
  input %i : int32[n, 4, 3]
  const %last = int64[] {-1}
  const %middle = int64[] {1}
  const %k = int64[1] {3}
  const %two = int64[1] {2}
  %a = CumSum(%x, %last) {reverse=1}
  %b = CumSum(%i, %middle) {exclusive=1}
  %c = CumProd(%i, %middle)
  %d, %e = TopK(%x, %k)
  %f, %g = TopK(%i, %two) {axis=1, largest=0}
  output %a as "a"
  output %b as "b"
  output %c as "c"
  output %d as "d"
  output %e as "e"
  output %f as "f"
  output %g as "g"
})",
                          .runs = {{noise(DType::kF32, {3, 50}), noise(DType::kI32, {3, 4, 3})}}}),
            "");
}

TEST(CudaOps, ReductionsOfEveryKind) {
  const char* const names[] = {"ReduceSum", "ReduceMean", "ReduceMax",       "ReduceMin",
                               "ReduceL1",  "ReduceL2",   "ReduceSumSquare", "ReduceProd"};
  std::string text =
      "graph \"reduce\" {\n  input %x : float32[n, 6, 5]\n"
      "  const %rows = int64[1] {2}\n  const %columns = int64[2] {0, 1}\n";
  for (const char* name : names) {
    text += concat("  %r", name, " = ", name, "(%x, %rows)\n  %c", name, " = ", name,
                   "(%x, %columns) {keepdims=0}\n");
    text += concat("  output %r", name, " as \"r", name, "\"\n  output %c", name, " as \"c", name,
                   "\"\n");
  }
  EXPECT_EQ(
      check_on_gpu({.text = text + "}",
                    .runs = {{noise(DType::kF32, {4, 6, 5})}, {noise(DType::kF32, {1, 6, 5})}}}),
      "");
}

TEST(CudaOps, WholeNumbersAndDoublesAreReducedAsSuch) {
  EXPECT_EQ(
      check_on_gpu({.text = R"(
graph "whole" {
  input %i : int64[n, 7]
  input %d : float64[n, 7]
  const %axes = int64[1] {1}
  %a = ReduceSum(%i, %axes)
  %b = ReduceMax(%i, %axes)
  %c = ReduceMean(%d, %axes)
  output %a as "a"
  output %b as "b"
  output %c as "c"
})",
                    .runs = {{picks(DType::kI64, {3, 7}, -(int64_t{1} << 40), int64_t{1} << 40),
                              noise(DType::kF64, {3, 7})}},
                    .tolerance = 1e-12}),
      "");
}

TEST(CudaOps, WhereTheExtremesLie) {
  EXPECT_EQ(
      check_on_gpu({.text = R"(
graph "extremes" {
  input %x : float32[n, 40, 3]
  input %i : int8[n, 6]
  %a = ArgMax(%x) {axis=1}
  %b = ArgMin(%x) {axis=-1, keepdims=0}
  %c = ArgMax(%i) {axis=1, select_last_index=1}
  output %a as "a"
  output %b as "b"
  output %c as "c"
})",
                    .runs = {{noise(DType::kF32, {2, 40, 3}), picks(DType::kI8, {2, 6}, -2, 2)}}}),
      "");
}

TEST(CudaOps, BlocksOfPixels) {
  EXPECT_EQ(check_on_gpu(
                {.text = R"(
graph "blocks" {
  input %x : float32[n, 12, h, 5]
  input %y : float32[n, 3, 4, 6]
  %a = DepthToSpace(%x) {blocksize=2}
  %b = DepthToSpace(%x) {blocksize=2, mode="CRD"}
  %c = SpaceToDepth(%y) {blocksize=2}
  output %a as "a"
  output %b as "b"
  output %c as "c"
})",
                 .runs = {{noise(DType::kF32, {2, 12, 3, 5}), noise(DType::kF32, {2, 3, 4, 6})}}}),
            "");
}

// Places and strides that are known only at run time.
TEST(CudaOps, PartsOfUnknownSize) {
  EXPECT_EQ(check_on_gpu(
                {.text = R"(
graph "parts" {
  input %past : float32[b, 2, p, 8]
  input %now : float32[b, 2, s, 8]
  input %row : float32[1, 2, m, 8]
  %all = Concat(%past, %now, %past) {axis=2}
  %sum = Add(%now, %row)
  output %all as "all"
  output %sum as "sum"
})",
                 .runs = {{noise(DType::kF32, {2, 2, 5, 8}, 1), noise(DType::kF32, {2, 2, 3, 8}, 2),
                           noise(DType::kF32, {1, 2, 1, 8}, 3)},
                          {noise(DType::kF32, {1, 2, 0, 8}, 1), noise(DType::kF32, {1, 2, 4, 8}, 2),
                           noise(DType::kF32, {1, 2, 4, 8}, 3)}}}),
            "");
}

TEST(CudaOps, SizesThatDoNotBroadcastAreAnError) {
  const std::string error =
      test::error_on_gpu(R"(
graph "sizes" {
  input %x : float32[n, 3]
  input %y : float32[m, 3]
  %z = Add(%x, %y)
  output %z as "z"
})",
                         {noise(DType::kF32, {4, 3}), noise(DType::kF32, {2, 3})});
  EXPECT_NE(error.find("dimensions 2 and 4 do not broadcast"), std::string::npos) << error;
}

TEST(CudaOps, RowsOfEveryLength) {
  for (int64_t columns : {1, 7, 40, 1000, 5000})
    EXPECT_EQ(check_on_gpu({.text = concat("graph \"rows\" {\n  input %x : float32[n, ", columns,
                                           "]\n", random_constant("s", DType::kF32, {columns}),
                                           random_constant("b", DType::kF32, {columns}), R"(
  %a = Softmax(%x)
  %c = LogSoftmax(%x)
  %d = LayerNormalization(%x, %s, %b)
  %e = RMSNormalization(%x, %s)
  output %a as "a"
  output %c as "c"
  output %d as "d"
  output %e as "e"
})"),
                            .runs = {{noise(DType::kF32, {3, columns})}}}),
              "")
        << columns;
}

TEST(CudaOps, NormalisationsOfPlanes) {
  EXPECT_EQ(check_on_gpu({.text = concat("graph \"planes\" {\n  input %x : float32[n, 6, 4, 5]\n",
                                         random_constant("s", DType::kF32, {6}),
                                         random_constant("b", DType::kF32, {6}), R"(
  %a = InstanceNormalization(%x, %s, %b)
  %c = GroupNormalization(%x, %s, %b) {num_groups=3}
  output %a as "a"
  output %c as "c"
})"),
                          .runs = {{noise(DType::kF32, {2, 6, 4, 5})}}}),
            "");
}

TEST(CudaOps, NormalisationsOfPixels) {
  EXPECT_EQ(check_on_gpu({.text = concat("graph \"pixels\" {\n  input %x : float32[n, h, 5, 6]\n",
                                         random_constant("s", DType::kF32, {6}),
                                         random_constant("b", DType::kF32, {6}), R"(
  %a = planish.InstanceNormalizationNhwc(%x, %s, %b)
  %c = planish.GroupNormalizationNhwc(%x, %s, %b) {num_groups=3}
  output %a as "a"
  output %c as "c"
})"),
                          .runs = {{noise(DType::kF32, {2, 4, 5, 6})},
                                   {noise(DType::kF32, {1, 9, 5, 6})},
                                   {noise(DType::kF32, {1, 0, 5, 6})}}}),
            "");
}

TEST(CudaOps, SoftmaxAlongAnyAxisOfAnySize) {
  EXPECT_EQ(
      check_on_gpu({.text = R"(
graph "softmax" {
  input %x : float32[n, m, 5]
  %t = Transpose(%x) {perm=[0, 2, 1]}
  %a = Softmax(%x) {axis=1}
  %b = LogSoftmax(%x) {axis=0}
  %c = Softmax(%t)
  output %a as "a"
  output %b as "b"
  output %c as "c"
})",
                    .runs = {{noise(DType::kF32, {3, 7, 5})}, {noise(DType::kF32, {1, 300, 5})}}}),
      "");
}

TEST(CudaOps, TransposedConvolutions) {
  for (const char* attributes :
       {"strides=[2, 2], pads=[1, 1, 1, 1]",
        "strides=[3, 2], output_padding=[1, 0], dilations=[1, 2]",
        "strides=[2, 2], auto_pad=\"SAME_UPPER\"", "strides=[2, 1], output_shape=[9, 8]"})
    EXPECT_EQ(check_on_gpu(
                  {.text = concat("graph \"turned\" {\n  input %x : float32[n, 8, 4, 5]\n",
                                  random_constant("w", DType::kF32, {8, 6, 3, 3}),
                                  random_constant("v", DType::kF32, {8, 2, 3, 3}),
                                  random_constant("b", DType::kF32, {6}),
                                  "  %a = ConvTranspose(%x, %w, %b) {", attributes,
                                  "}\n  %r = Relu(%a)\n  %c = ConvTranspose(%x, %v) {group=2, ",
                                  attributes, "}\n  output %r as \"r\"\n  output %c as \"c\"\n}"),
                   .runs = {{noise(DType::kF32, {2, 8, 4, 5})}}}),
              "")
        << attributes;
}

// What hangs on a norm, a pool or a fold is its kernel's tail.
TEST(CudaOps, TailsOfLightRoots) {
  EXPECT_EQ(check_on_gpu(
                {.text = concat("graph \"tails\" {\n  input %x : float32[n, 8, 6]\n"
                                "  input %i : float32[n, 4, 6, 6]\n  input %m : float32[n, 8, 1]\n",
                                random_constant("s", DType::kF32, {6}),
                                random_constant("one", DType::kF32, {1}),
                                random_constant("b", DType::kF32, {4}), R"(
  const %axes = int64[1] {2}
  %l = LayerNormalization(%x, %s)
  %g = Sigmoid(%l)
  %a = Mul(%l, %g)
  %f = ReduceMean(%x, %axes)
  %h = Mul(%f, %m)
  %c = Tanh(%h)
  %q = LayerNormalization(%f, %one)
  %d = Relu(%q)
  %k = Softmax(%x)
  %e = Mul(%k, %m)
  %n = InstanceNormalization(%i, %b, %b)
  %o = Relu(%n)
  %p = MaxPool(%o) {kernel_shape=[2, 2], strides=[2, 2]}
  %r = Neg(%p)
  output %a as "a"
  output %c as "c"
  output %d as "d"
  output %e as "e"
  output %r as "r"
})"),
                 .runs = {{noise(DType::kF32, {2, 8, 6}, 1), noise(DType::kF32, {2, 4, 6, 6}, 2),
                           noise(DType::kF32, {2, 8, 1}, 3)}}}),
            "");
}

TEST(CudaOps, AttentionOfOneQuery) {
  for (const char* batch : {"2", "b"})
    EXPECT_EQ(
        check_on_gpu(
            {.text = concat("graph \"decode\" {\n  input %q : float32[", batch,
                            ", 4, 1, 16]\n  input %k : float32[", batch,
                            ", 2, s, 16]\n  input %v : float32[", batch,
                            ", 2, s, 16]\n  input %m : float32[", batch, R"(, 1, 1, s]
  %y = Attention(%q, %k, %v, %m)
  %z = Attention(%q, %k, %v)
  output %y as "y"
  output %z as "z"
})"),
             .runs = {{noise(DType::kF32, {2, 4, 1, 16}, 1), noise(DType::kF32, {2, 2, 150, 16}, 2),
                       noise(DType::kF32, {2, 2, 150, 16}, 3),
                       noise(DType::kF32, {2, 1, 1, 150}, 4)},
                      {noise(DType::kF32, {2, 4, 1, 16}, 1), noise(DType::kF32, {2, 2, 1, 16}, 2),
                       noise(DType::kF32, {2, 2, 1, 16}, 3),
                       noise(DType::kF32, {2, 1, 1, 1}, 4)}}}),
        "")
        << batch;
}

TEST(CudaOps, ProductsOfFewRows) {
  for (const char* precision : {"fp32", "fp16"})
    EXPECT_EQ(
        check_on_gpu({.text = concat("graph \"rows\" {\n  input %x : float32[1, 1000]\n"
                                     "  input %y : float32[3, 37]\n",
                                     random_constant("w", DType::kF32, {1000, 13}),
                                     random_constant("v", DType::kF32, {37, 20}),
                                     random_constant("b", DType::kF32, {13}), R"(
  %a = MatMul(%x, %w)
  %c = Add(%a, %b)
  %d = Relu(%c)
  %e = MatMul(%y, %v)
  output %d as "d"
  output %e as "e"
})"),
                      .runs = {{noise(DType::kF32, {1, 1000}, 1), noise(DType::kF32, {3, 37}, 2)}},
                      .options = with_precision(precision),
                      .tolerance = std::string(precision) == "fp32" ? 1e-5 : 5e-3}),
        "")
        << precision;
}

TEST(CudaOps, PadsAndResizes) {
  EXPECT_EQ(check_on_gpu({.text = R"(
graph "pads" {
  input %x : float32[n, 2, 5, 6]
  const %pads = int64[8] {0, 0, 2, -1, 0, 0, 1, 3}
  const %value = float32[] {0.75}
  const %scales = float32[4] {1.0, 1.0, 2.0, 1.5}
  const %sizes = int64[4] {1, 2, 3, 9}
  %a = Pad(%x, %pads, %value)
  %b = Pad(%x, %pads) {mode="edge"}
  %c = Pad(%x, %pads) {mode="reflect"}
  %d = Pad(%x, %pads) {mode="wrap"}
  %e = Resize(%x, _, %scales) {mode="linear"}
  %f = Resize(%x, _, %scales) {mode="cubic", coordinate_transformation_mode="align_corners"}
  %g = Resize(%x, _, %scales) {mode="nearest", coordinate_transformation_mode="asymmetric"}
  output %a as "a"
  output %b as "b"
  output %c as "c"
  output %d as "d"
  output %e as "e"
  output %f as "f"
  output %g as "g"
})",
                          .runs = {{noise(DType::kF32, {2, 2, 5, 6})}}}),
            "");
}

}  // namespace
}  // namespace planish
