// SPDX-License-Identifier: Apache-2.0
// Pooling, its inverse and pooling of regions.
#include <gtest/gtest.h>

#include <cmath>

#include "support/op_case.h"

namespace planish::test {
namespace {

constexpr auto kShape = ErrorCode::kInvalidShape;
constexpr auto kValue = ErrorCode::kInvalidValue;
constexpr auto kModel = ErrorCode::kInvalidModel;
using Ints = std::vector<int64_t>;

TEST(PoolingOps, MaxPool) {
  const Tensor x = f32({1, 1, 5}, {3, 1, 4, 1, 5});
  check_cases({
      {"plain", "MaxPool", {{"kernel_shape", Ints{2}}}, {x}, {f32({1, 1, 4}, {3, 4, 4, 5})}},
      {"ceil keeps the rest",
       "MaxPool",
       {{"kernel_shape", Ints{2}}, {"strides", Ints{2}}, {"ceil_mode", int64_t{1}}},
       {x},
       {f32({1, 1, 3}, {3, 4, 5})}},
      {"ceil drops a window that starts in the padding",
       "MaxPool",
       {{"kernel_shape", Ints{1}},
        {"strides", Ints{3}},
        {"pads", Ints{0, 2}},
        {"ceil_mode", int64_t{1}}},
       {f32({1, 1, 3}, {1, 2, 3})},
       {f32({1, 1, 1}, {1})}},
      {"padding does not win",
       "MaxPool",
       {{"kernel_shape", Ints{3}}, {"pads", Ints{1, 1}}},
       {f32({1, 1, 2}, {-3, -2})},
       {f32({1, 1, 2}, {-2, -2})}},
      {"indices",
       "MaxPool",
       {{"kernel_shape", Ints{2, 2}}},
       {f32({1, 2, 2, 2}, {1, 2, 3, 0, 9, 8, 7, 6})},
       {f32({1, 2, 1, 1}, {3, 9}), i64({1, 2, 1, 1}, {2, 4})}},
      {"indices by column",
       "MaxPool",
       {{"kernel_shape", Ints{2, 2}}, {"storage_order", int64_t{1}}},
       {f32({1, 1, 2, 2}, {1, 2, 3, 0})},
       {f32({1, 1, 1, 1}, {3}), i64({1, 1, 1, 1}, {1})}},
      {"NaN is largest",
       "MaxPool",
       {{"kernel_shape", Ints{2}}},
       {f32({1, 1, 3}, {1, NAN, 2})},
       {f32({1, 1, 2}, {NAN, NAN})}},
      {"int8",
       "MaxPool",
       {{"kernel_shape", Ints{2}}},
       {tensor(DType::kI8, {1, 1, 2}, {-5, -7})},
       {tensor(DType::kI8, {1, 1, 1}, {-5})}},
      {"dilated",
       "MaxPool",
       {{"kernel_shape", Ints{2}}, {"dilations", Ints{3}}},
       {x},
       {f32({1, 1, 2}, {3, 5})}},
      {"rank", "MaxPool", {{"kernel_shape", Ints{2, 2}}}, {x}, {}, kShape, "expected rank 4"},
      {"no kernel", "MaxPool", {{"kernel_shape", Ints{0}}}, {x}, {}, kModel, "kernel_shape"},
      {"overflowing window",
       "MaxPool",
       {{"kernel_shape", Ints{int64_t{1} << 40}}, {"dilations", Ints{int64_t{1} << 40}}},
       {x},
       {},
       kShape,
       "overflow"},
  });
}

TEST(PoolingOps, AverageAndLp) {
  const Tensor x = f32({1, 1, 3}, {1, 2, 6});
  check_cases({
      {"without padding",
       "AveragePool",
       {{"kernel_shape", Ints{2}}, {"pads", Ints{1, 1}}},
       {x},
       {f32({1, 1, 4}, {1, 1.5, 4, 6})}},
      {"with padding",
       "AveragePool",
       {{"kernel_shape", Ints{2}}, {"pads", Ints{1, 1}}, {"count_include_pad", int64_t{1}}},
       {x},
       {f32({1, 1, 4}, {0.5, 1.5, 4, 3})}},
      {"ceil counts no further than the padding",
       "AveragePool",
       {{"kernel_shape", Ints{2}},
        {"strides", Ints{2}},
        {"ceil_mode", int64_t{1}},
        {"count_include_pad", int64_t{1}}},
       {x},
       {f32({1, 1, 2}, {1.5, 6})}},
      {"L2",
       "LpPool",
       {{"kernel_shape", Ints{2}}},
       {f32({1, 1, 2}, {3, -4})},
       {f32({1, 1, 1}, {5})}},
      {"L1",
       "LpPool",
       {{"kernel_shape", Ints{2}}, {"p", int64_t{1}}},
       {f32({1, 1, 2}, {3, -4})},
       {f32({1, 1, 1}, {7})}},
      {"L0",
       "LpPool",
       {{"kernel_shape", Ints{2}}, {"p", int64_t{0}}},
       {x},
       {},
       kModel,
       "p: expected"},
      {"mean of all",
       "GlobalAveragePool",
       {},
       {f32({1, 2, 1, 2}, {1, 3, 5, 9})},
       {f32({1, 2, 1, 1}, {2, 7})}},
      {"largest of all",
       "GlobalMaxPool",
       {},
       {f32({1, 2, 2}, {1, 3, 9, 5})},
       {f32({1, 2, 1}, {3, 9})}},
      {"norm of all", "GlobalLpPool", {}, {f32({1, 1, 2}, {6, 8})}, {f32({1, 1, 1}, {10})}},
      {"no channels", "GlobalAveragePool", {}, {f32({1, 0, 2}, {})}, {f32({1, 0, 1}, {})}},
  });
}

TEST(PoolingOps, MaxUnpool) {
  const Attributes a{{"kernel_shape", Ints{2}}, {"strides", Ints{2}}};
  const Tensor x = f32({1, 1, 2}, {7, 8});
  check_cases({
      {"plain", "MaxUnpool", a, {x, i64({1, 1, 2}, {1, 2})}, {f32({1, 1, 4}, {0, 7, 8, 0})}},
      {"larger",
       "MaxUnpool",
       a,
       {x, i64({1, 1, 2}, {1, 2}), i64({3}, {1, 1, 5})},
       {f32({1, 1, 5}, {0, 7, 8, 0, 0})}},
      {"smaller",
       "MaxUnpool",
       a,
       {x, i64({1, 1, 2}, {1, 2}), i64({3}, {1, 1, 3})},
       {},
       kShape,
       "at least"},
      {"outside", "MaxUnpool", a, {x, i64({1, 1, 2}, {1, 4})}, {}, kValue, "4 is outside of 4"},
      {"negative", "MaxUnpool", a, {x, i64({1, 1, 2}, {-1, 2})}, {}, kValue, "-1 is outside"},
      {"shape of indices", "MaxUnpool", a, {x, i64({1, 1, 1}, {1})}, {}, kShape, "input 1"},
  });
}

TEST(PoolingOps, Regions) {
  const Tensor x = f32({1, 1, 2, 2}, {1, 2, 3, 4});
  check_cases({
      {"align, centre",
       "RoiAlign",
       {{"coordinate_transformation_mode", "output_half_pixel"}, {"sampling_ratio", int64_t{1}}},
       {x, f32({1, 4}, {0, 0, 1, 1}), i64({1}, {0})},
       {f32({1, 1, 1, 1}, {2.5})}},
      {"align outside is zero",
       "RoiAlign",
       {{"sampling_ratio", int64_t{1}}},
       {x, f32({1, 4}, {50, 50, 60, 60}), i64({1}, {0})},
       {f32({1, 1, 1, 1}, {0})}},
      {"align not a number",
       "RoiAlign",
       {},
       {x, f32({1, 4}, {NAN, 0, 1, 1}), i64({1}, {0})},
       {f32({1, 1, 1, 1}, {0})}},
      {"align without end",
       "RoiAlign",
       {},
       {x, f32({1, 4}, {0, 0, 1e30, 1}), i64({1}, {0})},
       {},
       ErrorCode::kBudgetExceeded,
       "region of interest"},
      {"align image",
       "RoiAlign",
       {},
       {x, f32({1, 4}, {0, 0, 1, 1}), i64({1}, {1})},
       {},
       kValue,
       "1 images"},
      {"none", "RoiAlign", {}, {x, f32({0, 4}, {}), i64({0}, {})}, {f32({0, 1, 1, 1}, {})}},
      {"max",
       "MaxRoiPool",
       {{"pooled_shape", Ints{1, 2}}},
       {x, f32({1, 5}, {0, 0, 0, 1, 1})},
       {f32({1, 1, 1, 2}, {3, 4})}},
      {"max image",
       "MaxRoiPool",
       {{"pooled_shape", Ints{1, 1}}},
       {x, f32({1, 5}, {2, 0, 0, 1, 1})},
       {},
       kValue,
       "image 2"},
      {"max of nothing",
       "MaxRoiPool",
       {{"pooled_shape", Ints{1, 1}}},
       {x, f32({1, 5}, {0, 7, 7, 9, 9})},
       {f32({1, 1, 1, 1}, {0})}},
      {"max not a number",
       "MaxRoiPool",
       {{"pooled_shape", Ints{1, 1}}},
       {x, f32({1, 5}, {0, NAN, 0, 1, 1})},
       {},
       kValue,
       "finite"},
  });
}

}  // namespace
}  // namespace planish::test
