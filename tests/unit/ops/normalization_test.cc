// SPDX-License-Identifier: Apache-2.0
// Normalisations and softmax.
#include <gtest/gtest.h>

#include <cmath>

#include "support/op_case.h"

namespace planish::test {
namespace {

constexpr auto kShape = ErrorCode::kInvalidShape;
constexpr auto kModel = ErrorCode::kInvalidModel;
using Ints = std::vector<int64_t>;
const Attributes kExact{{"epsilon", 0.0}};

TEST(NormalizationOps, Batch) {
  const Tensor x = f32({2, 1, 2}, {1, 3, 5, 7}), one = f32({1}, {1}), zero = f32({1}, {0});
  check_cases({
      {"inference",
       "BatchNormalization",
       kExact,
       {x, f32({1}, {2}), f32({1}, {10}), f32({1}, {3}), f32({1}, {4})},
       {f32({2, 1, 2}, {8, 10, 12, 14})}},
      {"training",
       "BatchNormalization",
       {{"epsilon", 0.0}, {"training_mode", int64_t{1}}, {"momentum", 0.5}},
       {x, one, zero, f32({1}, {2}), f32({1}, {1})},
       {f32({2, 1, 2},
            {-3 / std::sqrt(5.0), -1 / std::sqrt(5.0), 1 / std::sqrt(5.0), 3 / std::sqrt(5.0)}),
        f32({1}, {3}), f32({1}, {3})}},
      {"rank 1",
       "BatchNormalization",
       kExact,
       {f32({2}, {1, 2}), one, one, zero, one},
       {f32({2}, {2, 3})}},
      {"empty",
       "BatchNormalization",
       kExact,
       {f32({0, 1, 2}, {}), one, one, zero, one},
       {f32({0, 1, 2}, {})}},
      {"channels",
       "BatchNormalization",
       kExact,
       {x, f32({2}, {1, 1}), one, zero, one},
       {},
       kShape,
       "expected [1]"},
      {"statistics",
       "BatchNormalization",
       kExact,
       {x, one, zero, zero, one},
       {x, zero},
       kModel,
       "training mode only"},
  });
}

TEST(NormalizationOps, Layers) {
  const Tensor x = f32({2, 2}, {1, 3, 2, 10});
  check_cases({
      {"layer, with statistics",
       "LayerNormalization",
       kExact,
       {x, f32({2}, {1, 2}), f32({2}, {0, 1})},
       {f32({2, 2}, {-1, 3, -1, 3}), f32({2, 1}, {2, 6}), f32({2, 1}, {1, 0.25})}},
      {"layer over both axes",
       "LayerNormalization",
       {{"axis", int64_t{0}}, {"epsilon", 0.0}},
       {f32({2, 2}, {1, 1, 3, 3}), f32({1}, {5})},
       {f32({2, 2}, {-5, -5, 5, 5})}},
      {"layer, a column of scales",
       "LayerNormalization",
       kExact,
       {x, f32({2, 1}, {1, 2})},
       {f32({2, 2}, {-1, 1, -2, 2})}},
      {"layer, float16",
       "LayerNormalization",
       {},
       {tensor(DType::kF16, {1, 2}, {60000, 60002}), tensor(DType::kF16, {2}, {1, 1})},
       {tensor(DType::kF16, {1, 2}, {0, 0})}},
      {"layer, no rows",
       "LayerNormalization",
       {},
       {f32({0, 2}, {}), f32({2}, {1, 1})},
       {f32({0, 2}, {})}},
      {"layer, axis",
       "LayerNormalization",
       {{"axis", int64_t{2}}},
       {x, f32({2}, {1, 1})},
       {},
       kShape,
       "axis 2"},
      {"layer, scale",
       "LayerNormalization",
       {},
       {x, f32({3}, {1, 1, 1})},
       {},
       kShape,
       "broadcasts to"},
      {"root mean square",
       "RMSNormalization",
       kExact,
       {f32({1, 2}, {3, 4}), f32({2}, {1, 10})},
       {f32({1, 2}, {3 / std::sqrt(12.5), 40 / std::sqrt(12.5)})}},
      {"instances",
       "InstanceNormalization",
       kExact,
       {f32({1, 2, 2}, {1, 3, 10, 30}), f32({2}, {1, 2}), f32({2}, {0, 5})},
       {f32({1, 2, 2}, {-1, 1, 3, 7})}},
      {"groups",
       "GroupNormalization",
       {{"epsilon", 0.0}, {"num_groups", int64_t{1}}},
       {f32({1, 2, 1}, {1, 3}), f32({2}, {1, 2}), f32({2}, {0, 5})},
       {f32({1, 2, 1}, {-1, 7})}},
      {"groups of nothing",
       "GroupNormalization",
       {{"num_groups", int64_t{0}}},
       {x, f32({2}, {1, 1}), f32({2}, {1, 1})},
       {},
       kModel,
       "num_groups"},
      {"groups that do not divide",
       "GroupNormalization",
       {{"num_groups", int64_t{3}}},
       {x, f32({2}, {1, 1}), f32({2}, {1, 1})},
       {},
       kShape,
       "multiple of 3"},
  });
}

TEST(NormalizationOps, AlongAnAxis) {
  const double e = std::exp(1.0);
  check_cases({
      {"softmax",
       "Softmax",
       {},
       {f32({1, 2}, {1000, 1001})},
       {f32({1, 2}, {1 / (1 + e), e / (1 + e)})}},
      {"softmax of columns",
       "Softmax",
       {{"axis", int64_t{0}}},
       {f32({2, 1}, {0, 0})},
       {f32({2, 1}, {0.5, 0.5})}},
      {"softmax with minus infinity",
       "Softmax",
       {},
       {f32({2}, {-HUGE_VAL, 3})},
       {f32({2}, {0, 1})}},
      {"softmax of nothing", "Softmax", {}, {f32({2, 0}, {})}, {f32({2, 0}, {})}},
      {"softmax of a scalar", "Softmax", {}, {f32({}, {1})}, {}, kShape, "rank 1 or more"},
      {"log softmax", "LogSoftmax", {}, {f32({2}, {-2000, 0})}, {f32({2}, {-2000, 0})}},
      {"L1",
       "LpNormalization",
       {{"p", int64_t{1}}},
       {f32({2}, {-1, 3})},
       {f32({2}, {-0.25, 0.75})}},
      {"L2 of zeros", "LpNormalization", {}, {f32({2}, {0, 0})}, {f32({2}, {0, 0})}},
      {"L3", "LpNormalization", {{"p", int64_t{3}}}, {f32({2}, {0, 0})}, {}, kModel, "1 or 2"},
      {"mean and variance",
       "MeanVarianceNormalization",
       {{"axes", Ints{-1}}},
       {f32({2, 2}, {1, 3, 5, 9})},
       {f32({2, 2}, {-1, 1, -1, 1})}},
      {"neighbouring channels",
       "LRN",
       {{"size", int64_t{3}}, {"alpha", 3.0}, {"beta", 1.0}},
       {f32({1, 3, 1}, {1, 2, 3})},
       {f32({1, 3, 1}, {1.0 / 6, 2.0 / 15, 3.0 / 14})}},
  });
}

}  // namespace
}  // namespace planish::test
