// SPDX-License-Identifier: Apache-2.0
// Matrix products and convolutions, plain and quantised.
#include <gtest/gtest.h>

#include "support/op_case.h"

namespace planish::test {
namespace {

constexpr auto kShape = ErrorCode::kInvalidShape;
constexpr auto kType = ErrorCode::kInvalidType;
constexpr auto kModel = ErrorCode::kInvalidModel;
using Ints = std::vector<int64_t>;

Tensor u8(Dims dims, const std::vector<double>& v) {
  return tensor(DType::kU8, std::move(dims), v);
}
Tensor i8(Dims dims, const std::vector<double>& v) {
  return tensor(DType::kI8, std::move(dims), v);
}
Tensor ones(Dims dims) {
  const int64_t n = element_count(dims);
  return f32(std::move(dims), std::vector<double>(static_cast<size_t>(n), 1));
}

TEST(ProductOps, MatMul) {
  const Tensor a = f32({2, 3}, {1, 2, 3, 4, 5, 6}), b = f32({3, 2}, {1, 0, 0, 1, 2, 2});
  check_cases({
      {"matrices", "MatMul", {}, {a, b}, {f32({2, 2}, {7, 8, 16, 17})}},
      {"vector left", "MatMul", {}, {f32({3}, {1, 2, 3}), b}, {f32({2}, {7, 8})}},
      {"vector right", "MatMul", {}, {a, f32({3}, {1, 0, 2})}, {f32({2}, {7, 16})}},
      {"vectors", "MatMul", {}, {f32({2}, {3, 4}), f32({2}, {1, 2})}, {f32({}, {11})}},
      {"stacks broadcast",
       "MatMul",
       {},
       {f32({2, 1, 1, 2}, {1, 2, 3, 4}), f32({2, 2, 1}, {1, 1, 2, 0})},
       {f32({2, 2, 1, 1}, {3, 2, 7, 6})}},
      {"float16 is summed wide",
       "MatMul",
       {},
       {tensor(DType::kF16, {1, 3}, {2048, 1, 1}), tensor(DType::kF16, {3, 1}, {1, 1, 1})},
       {tensor(DType::kF16, {1, 1}, {2050})}},
      {"int32 wraps",
       "MatMul",
       {},
       {i32({1, 2}, {65536, 1}), i32({2, 1}, {65536, 5})},
       {i32({1, 1}, {5})}},
      {"nothing to sum", "MatMul", {}, {f32({2, 0}, {}), f32({0, 1}, {})}, {f32({2, 1}, {0, 0})}},
      {"no rows", "MatMul", {}, {f32({0, 2}, {}), f32({2, 1}, {1, 1})}, {f32({0, 1}, {})}},
      {"inner dims", "MatMul", {}, {a, a}, {}, kShape, "expected as many columns"},
      {"scalar", "MatMul", {}, {f32({}, {1}), a}, {}, kShape, "rank 1 or more"},
      {"types", "MatMul", {}, {a, tensor(DType::kF64, {3, 1}, {1, 1, 1})}, {}, kType, "float64"},
      {"int8", "MatMul", {}, {i8({1, 1}, {1}), i8({1, 1}, {1})}, {}, kType, "got int8"},
  });
}

TEST(ProductOps, Gemm) {
  const Tensor a = f32({2, 2}, {1, 2, 3, 4}), b = f32({2, 2}, {0, 1, 1, 1});
  check_cases({
      {"plain", "Gemm", {}, {a, b}, {f32({2, 2}, {2, 3, 4, 7})}},
      {"transposed",
       "Gemm",
       {{"transA", int64_t{1}}, {"transB", int64_t{1}}},
       {a, b},
       {f32({2, 2}, {3, 4, 4, 6})}},
      {"scaled with a row",
       "Gemm",
       {{"alpha", 2.0}, {"beta", 0.5}},
       {a, b, f32({2}, {2, 4})},
       {f32({2, 2}, {5, 8, 9, 16})}},
      {"a column", "Gemm", {}, {a, b, f32({2, 1}, {10, 20})}, {f32({2, 2}, {12, 13, 24, 27})}},
      {"a scalar of int64",
       "Gemm",
       {{"alpha", 3.0}},
       {i64({1, 1}, {9007199254740992.0}), i64({1, 1}, {1}), i64({}, {4})},
       {i64({1, 1}, {27021597764222980.0})}},
      {"no depth",
       "Gemm",
       {},
       {f32({1, 0}, {}), f32({0, 2}, {}), f32({}, {3})},
       {f32({1, 2}, {3, 3})}},
      {"inner", "Gemm", {}, {a, f32({3, 1}, {1, 1, 1})}, {}, kShape, "equal inner dimensions"},
      {"bias", "Gemm", {}, {a, b, f32({3}, {1, 1, 1})}, {}, kShape, "broadcasts to [2, 2]"},
      {"rank", "Gemm", {}, {f32({2}, {1, 1}), b}, {}, kShape, "expected rank 2"},
  });
}

// size: one table of cases
TEST(ProductOps, Conv) {
  const Tensor x = counting(DType::kF32, {1, 1, 3, 3});
  check_cases({
      {"valid", "Conv", {}, {x, ones({1, 1, 2, 2})}, {f32({1, 1, 2, 2}, {8, 12, 20, 24})}},
      {"padded, strided",
       "Conv",
       {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}},
       {x, ones({1, 1, 3, 3})},
       {f32({1, 1, 2, 2}, {8, 12, 20, 24})}},
      {"dilated",
       "Conv",
       {{"dilations", Ints{2, 2}}},
       {x, ones({1, 1, 2, 2})},
       {f32({1, 1, 1, 1}, {16})}},
      {"same upper",
       "Conv",
       {{"auto_pad", "SAME_UPPER"}, {"strides", Ints{2}}},
       {f32({1, 1, 4}, {1, 2, 3, 4}), ones({1, 1, 3})},
       {f32({1, 1, 2}, {6, 7})}},
      {"same lower",
       "Conv",
       {{"auto_pad", "SAME_LOWER"}, {"strides", Ints{2}}},
       {f32({1, 1, 4}, {1, 2, 3, 4}), ones({1, 1, 3})},
       {f32({1, 1, 2}, {3, 9})}},
      {"groups and bias",
       "Conv",
       {{"group", int64_t{2}}},
       {f32({1, 2, 2}, {1, 2, 3, 4}), f32({2, 1, 1}, {10, 100}), f32({2}, {1, 2})},
       {f32({1, 2, 2}, {11, 21, 302, 402})}},
      {"three axes",
       "Conv",
       {},
       {ones({1, 2, 2, 2, 2}), ones({1, 2, 2, 2, 2})},
       {f32({1, 1, 1, 1, 1}, {16})}},
      {"empty batch",
       "Conv",
       {},
       {f32({0, 1, 3, 3}, {}), ones({4, 1, 2, 2})},
       {f32({0, 4, 2, 2}, {})}},
  });
}

TEST(ProductOps, ConvRefuses) {
  const Tensor x = counting(DType::kF32, {1, 1, 3, 3});
  check_cases({
      {"too large", "Conv", {}, {x, ones({1, 1, 4, 4})}, {}, kShape, "does not fit"},
      {"channels", "Conv", {}, {x, ones({1, 2, 1, 1})}, {}, kShape, "2 input channels"},
      {"no groups", "Conv", {{"group", int64_t{0}}}, {x, ones({1, 1, 1, 1})}, {}, kModel, "group"},
      {"stride 0",
       "Conv",
       {{"strides", Ints{0, 1}}},
       {x, ones({1, 1, 1, 1})},
       {},
       kModel,
       "strides"},
      {"negative pad",
       "Conv",
       {{"pads", Ints{-1, 0, 0, 0}}},
       {x, ones({1, 1, 1, 1})},
       {},
       kModel,
       "pads"},
      {"huge stride",
       "Conv",
       {{"strides", Ints{INT64_MAX, 1}}},
       {x, ones({1, 1, 1, 1})},
       {},
       kModel,
       "strides"},
      {"pad list",
       "Conv",
       {{"pads", Ints{1, 1}}},
       {x, ones({1, 1, 1, 1})},
       {},
       kModel,
       "expected 4 values"},
      {"kernel_shape",
       "Conv",
       {{"kernel_shape", Ints{2, 2}}},
       {x, ones({1, 1, 1, 1})},
       {},
       kShape,
       "differs from the weights"},
      {"auto_pad", "Conv", {{"auto_pad", "BOTH"}}, {x, ones({1, 1, 1, 1})}, {}, kModel, "auto_pad"},
  });
}

TEST(ProductOps, ConvTranspose) {
  const Tensor x = f32({1, 1, 2}, {1, 2}), w = f32({1, 1, 3}, {1, 10, 100});
  check_cases({
      {"plain", "ConvTranspose", {}, {x, w}, {f32({1, 1, 4}, {1, 12, 120, 200})}},
      {"strided",
       "ConvTranspose",
       {{"strides", Ints{2}}},
       {x, w, f32({1}, {5})},
       {f32({1, 1, 5}, {6, 15, 107, 25, 205})}},
      {"pads and output_padding",
       "ConvTranspose",
       {{"strides", Ints{2}}, {"pads", Ints{1, 1}}, {"output_padding", Ints{1}}},
       {x, w},
       {f32({1, 1, 4}, {10, 102, 20, 200})}},
      {"output_shape",
       "ConvTranspose",
       {{"strides", Ints{2}}, {"output_shape", Ints{4}}},
       {x, w},
       {f32({1, 1, 4}, {10, 102, 20, 200})}},
      {"same upper",
       "ConvTranspose",
       {{"strides", Ints{2}}, {"auto_pad", "SAME_UPPER"}},
       {x, w},
       {f32({1, 1, 4}, {1, 10, 102, 20})}},
      {"groups",
       "ConvTranspose",
       {{"group", int64_t{2}}},
       {f32({1, 2, 1}, {1, 2}), f32({2, 2, 1}, {1, 2, 3, 4})},
       {f32({1, 4, 1}, {1, 2, 6, 8})}},
      {"empty", "ConvTranspose", {}, {f32({0, 1, 2}, {}), w}, {f32({0, 1, 4}, {})}},
      {"all cut off",
       "ConvTranspose",
       {{"pads", Ints{3, 3}}},
       {x, w},
       {},
       kShape,
       "larger than the output"},
      {"channels", "ConvTranspose", {}, {x, ones({2, 1, 3})}, {}, kShape, "of one rank"},
  });
}

TEST(ProductOps, IntegerProducts) {
  const Tensor a = u8({1, 2}, {255, 10}), b = i8({2, 1}, {-128, 1});
  check_cases({
      {"zero points",
       "MatMulInteger",
       {},
       {a, b, u8({}, {5}), i8({}, {1})},
       {i32({1, 1}, {-32250})}},
      {"none", "MatMulInteger", {}, {a, b}, {i32({1, 1}, {-32630})}},
      {"per row and column",
       "MatMulInteger",
       {},
       {u8({2, 1}, {3, 4}), u8({1, 2}, {5, 6}), u8({2}, {1, 2}), u8({2}, {0, 1})},
       {i32({2, 2}, {10, 10, 10, 10})}},
      {"zero point of another type",
       "MatMulInteger",
       {},
       {a, b, i8({}, {5})},
       {},
       kType,
       "one data type"},
      {"zero points of another length",
       "MatMulInteger",
       {},
       {a, b, u8({3}, {1, 2, 3})},
       {},
       kShape,
       "a scalar or a vector of 1"},
      {"convolution pads with the zero point",
       "ConvInteger",
       {{"pads", Ints{1, 1}}},
       {u8({1, 1, 2}, {3, 4}), u8({1, 1, 3}, {1, 1, 1}), u8({}, {2})},
       {i32({1, 1, 2}, {3, 3})}},
      {"weights' zero points",
       "ConvInteger",
       {},
       {u8({1, 1, 1}, {10}), u8({2, 1, 1}, {5, 5}), kAbsent, u8({2}, {1, 2})},
       {i32({1, 2, 1}, {40, 30})}},
  });
}

TEST(ProductOps, QLinear) {
  const Tensor scale = f32({}, {0.5}), two = f32({}, {2}), zero = u8({}, {0});
  check_cases({
      {"product",
       "QLinearMatMul",
       {},
       {u8({1, 1}, {7}), scale, u8({}, {2}), u8({1, 1}, {4}), scale, u8({}, {1}), f32({}, {1}),
        u8({}, {3})},
       {u8({1, 1}, {7})}},
      {"saturates",
       "QLinearMatMul",
       {},
       {i8({1, 1}, {100}), two, i8({}, {0}), i8({1, 1}, {100}), two, i8({}, {0}), two, i8({}, {0})},
       {i8({1, 1}, {127})}},
      {"scales of rows and columns",
       "QLinearMatMul",
       {},
       {u8({2, 1}, {1, 1}), f32({2}, {1, 2}), u8({2}, {0, 0}), u8({1, 2}, {1, 1}),
        f32({2}, {1, 10}), u8({2}, {0, 0}), f32({}, {1}), zero},
       {u8({2, 2}, {1, 10, 2, 20})}},
      {"convolution with bias, ties to even",
       "QLinearConv",
       {},
       {u8({1, 1, 1}, {3}), f32({}, {1}), u8({}, {1}), u8({2, 1, 1}, {2, 3}), f32({2}, {0.5, 1}),
        u8({2}, {1, 1}), f32({}, {1}), u8({}, {1}), i32({2}, {3, -10})},
       {u8({1, 2, 1}, {3, 0})}},
  });
}

}  // namespace
}  // namespace planish::test
