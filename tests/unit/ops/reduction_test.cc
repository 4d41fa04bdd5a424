// SPDX-License-Identifier: Apache-2.0
// Ops that reduce, sort or sum along axes.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/op_case.h"
#include "tensor/elements.h"

namespace planish::test {
namespace {

constexpr auto kShape = ErrorCode::kInvalidShape;
constexpr auto kValue = ErrorCode::kInvalidValue;
constexpr auto kType = ErrorCode::kInvalidType;
constexpr auto kModel = ErrorCode::kInvalidModel;
const double kNan = std::nan("");
const double kInf = std::numeric_limits<double>::infinity();

Attributes drop() { return {{"keepdims", int64_t{0}}}; }

// Tables of cases: one row, one line.
// clang-format off
TEST(ReductionOps, Kinds) {
  const Tensor x = f32({2, 3}, {1, -2, 3, 4, 5, -6});
  check_cases({
      {"sum of rows", "ReduceSum", drop(), {x, i64({1}, {1})}, {f32({2}, {2, 3})}},
      {"sum of columns", "ReduceSum", {}, {x, i64({1}, {0})}, {f32({1, 3}, {5, 3, -3})}},
      {"sum of all", "ReduceSum", drop(), {x}, {f32({}, {5})}},
      {"middle axis", "ReduceSum", drop(), {counting(DType::kF32, {2, 2, 2}), i64({1}, {-2})}, {f32({2, 2}, {2, 4, 10, 12})}},
      {"outer and inner", "ReduceSum", drop(), {counting(DType::kF32, {2, 2, 2}), i64({2}, {0, 2})}, {f32({2}, {10, 18})}},
      {"no axes, no work", "ReduceSum", {{"noop_with_empty_axes", int64_t{1}}}, {x, i64({0}, {})}, {x}},
      {"no axes, all", "ReduceSum", {}, {x, i64({0}, {})}, {f32({1, 1}, {5})}},
      {"scalar", "ReduceSum", {}, {f32({}, {4})}, {f32({}, {4})}},
      {"empty", "ReduceSum", drop(), {f32({0, 2}, {}), i64({1}, {0})}, {f32({2}, {0, 0})}},
      {"contents", "ReduceProd", drop(), {i64({3}, {2, 3, 4})}, {i64({}, {24})}},
      {"kept contents", "ReduceSum", {}, {i64({2}, {2, 3}), i64({1}, {0})}, {i64({1}, {5})}},
      {"wraps", "ReduceSum", drop(), {tensor(DType::kU32, {2}, {4294967295.0, 2})}, {tensor(DType::kU32, {}, {1})}},
      {"mean", "ReduceMean", drop(), {x, i64({1}, {1})}, {f32({2}, {2.0 / 3, 1})}},
      {"mean of integers", "ReduceMean", drop(), {i32({2}, {1, 2})}, {i32({}, {1})}},
      {"mean of nothing", "ReduceMean", drop(), {f32({0}, {})}, {f32({}, {kNan})}},
      {"half mean", "ReduceMean", drop(), {tensor(DType::kF16, {4}, {60000, 60000, 60000, 60000})}, {tensor(DType::kF16, {}, {60000})}},
      {"max", "ReduceMax", drop(), {x, i64({1}, {0})}, {f32({3}, {4, 5, 3})}},
      {"max with NaN", "ReduceMax", drop(), {f32({3}, {1, kNan, 2})}, {f32({}, {kNan})}},
      {"max of nothing", "ReduceMax", drop(), {f32({0}, {})}, {f32({}, {-kInf})}},
      {"max of no bytes", "ReduceMax", drop(), {tensor(DType::kI8, {0}, {})}, {tensor(DType::kI8, {}, {-128})}},
      {"min of no bytes", "ReduceMin", drop(), {tensor(DType::kU8, {0}, {})}, {tensor(DType::kU8, {}, {255})}},
      {"any", "ReduceMax", drop(), {boolean({3}, {0, 1, 0})}, {boolean({}, {1})}},
      {"min", "ReduceMin", drop(), {x, i64({1}, {-1})}, {f32({2}, {-2, -6})}},
      {"squares", "ReduceSumSquare", drop(), {x, i64({1}, {1})}, {f32({2}, {14, 77})}},
      {"squares, no axes", "ReduceSumSquare", {{"noop_with_empty_axes", int64_t{1}}}, {f32({2}, {2, -3})}, {f32({2}, {4, 9})}},
      {"L1", "ReduceL1", drop(), {x, i64({1}, {1})}, {f32({2}, {6, 15})}},
      {"L2", "ReduceL2", drop(), {f32({2}, {3, 4})}, {f32({}, {5})}},
      {"L2 of integers", "ReduceL2", drop(), {i32({2}, {3, 4})}, {i32({}, {5})}},
      {"log of sum", "ReduceLogSum", drop(), {f32({2}, {1, 3})}, {f32({}, {std::log(4)})}},
      {"log of sum of exp", "ReduceLogSumExp", drop(), {f32({2}, {1000, 1000})}, {f32({}, {1000 + std::log(2)})}},
      {"infinities", "ReduceLogSumExp", drop(), {f32({2, 2}, {-kInf, -kInf, kInf, 0}), i64({1}, {1})}, {f32({2}, {-kInf, kInf})}},
      {"product", "ReduceProd", drop(), {x, i64({1}, {1})}, {f32({2}, {-6, -120})}},
      {"axis outside", "ReduceSum", {}, {x, i64({1}, {2})}, {}, kShape, "axis 2 is outside of rank 2"},
      {"axis twice", "ReduceSum", {}, {x, i64({2}, {0, -2})}, {}, kShape, "twice"},
      {"strings", "ReduceSum", {}, {texts({1}, {"a"})}, {}, kType, "expected numbers, got string"},
  });
}

TEST(ReductionOps, ManyElements) {
  const Tensor x = counting(DType::kF32, {3, 5000});
  std::vector<double> sums, columns(5000);
  for (int r = 0; r < 3; ++r) sums.push_back(5000.0 * 4999 / 2 + 5000.0 * 5000 * r);
  for (int i = 0; i < 5000; ++i) columns[static_cast<size_t>(i)] = 3.0 * i + 15000;
  check_cases({{"rows", "ReduceSum", drop(), {x, i64({1}, {1})}, {f32({3}, sums)}}, {"columns", "ReduceSum", drop(), {x, i64({1}, {0})}, {f32({5000}, columns)}}});
}

TEST(ReductionOps, ArgMaxArgMin) {
  check_cases({
      {"first", "ArgMax", {}, {f32({2, 2}, {1, 5, 3, 5})}, {i64({1, 2}, {1, 0})}},
      {"last", "ArgMax", {{"select_last_index", int64_t{1}}, {"axis", int64_t{0}}}, {f32({2, 2}, {1, 5, 3, 5})}, {i64({1, 2}, {1, 1})}},
      {"dropped", "ArgMin", {{"axis", int64_t{-1}}, {"keepdims", int64_t{0}}}, {f32({2, 2}, {2, 1, 3, 4})}, {i64({2}, {1, 0})}},
      {"NaN", "ArgMax", drop(), {f32({4}, {1, kNan, 9, kNan})}, {i64({}, {1})}},
      {"NaN is smallest too", "ArgMin", drop(), {f32({3}, {1, kNan, 0})}, {i64({}, {1})}},
      {"bytes", "ArgMax", drop(), {tensor(DType::kU8, {3}, {1, 255, 9})}, {i64({}, {1})}},
      {"empty axis", "ArgMax", {}, {f32({0, 2}, {})}, {}, kShape, "axis 0 is empty"},
      {"no rows", "ArgMax", {{"axis", int64_t{1}}}, {f32({0, 2}, {})}, {i64({0, 1}, {})}},
      {"hardmax", "Hardmax", {}, {f32({2, 3}, {1, 3, 3, 0, -1, -2})}, {f32({2, 3}, {0, 1, 0, 1, 0, 0})}},
      {"hardmax of columns", "Hardmax", {{"axis", int64_t{0}}}, {f32({2, 2}, {1, 3, 2, 0})}, {f32({2, 2}, {0, 1, 1, 0})}},
  });
}

TEST(ReductionOps, TopK) {
  const Tensor x = f32({2, 4}, {1, 4, 2, 4, -1, 0, 7, 3});
  check_cases({
      {"largest", "TopK", {}, {x, i64({1}, {2})}, {f32({2, 2}, {4, 4, 7, 3}), i64({2, 2}, {1, 3, 2, 3})}},
      {"smallest", "TopK", {{"largest", int64_t{0}}}, {x, i64({1}, {2})}, {f32({2, 2}, {1, 2, -1, 0}), i64({2, 2}, {0, 2, 0, 1})}},
      {"first axis", "TopK", {{"axis", int64_t{0}}}, {x, i64({1}, {1})}, {f32({1, 4}, {1, 4, 7, 4}), i64({1, 4}, {0, 0, 1, 0})}},
      {"NaN first", "TopK", {}, {f32({3}, {1, kNan, 2}), i64({1}, {2})}, {f32({2}, {kNan, 2}), i64({2}, {1, 2})}},
      {"NaN last", "TopK", {{"largest", int64_t{0}}}, {f32({3}, {kNan, 1, 2}), i64({1}, {3})}, {f32({3}, {1, 2, kNan}), i64({3}, {1, 2, 0})}},
      {"indices only", "TopK", {}, {x, i64({1}, {1})}, {kAbsent, i64({2, 1}, {1, 2})}},
      {"none", "TopK", {}, {x, i64({1}, {0})}, {f32({2, 0}, {}), i64({2, 0}, {})}},
      {"large integers",
       "TopK",
       {},
       {Tensor::vector_i64(std::vector<int64_t>{9007199254740993, 9007199254740992}), i64({1}, {1})},
       {Tensor::vector_i64(std::vector<int64_t>{9007199254740993}), i64({1}, {0})}},
      {"too many", "TopK", {}, {x, i64({1}, {5})}, {f32({}, {0}), i64({}, {0})}, kValue, "k is 5"},
      {"negative", "TopK", {}, {x, i64({1}, {-1})}, {f32({}, {0}), i64({}, {0})}, kValue, "k is -1"},
  });
}

TEST(ReductionOps, Unique) {
  const Attributes unsorted{{"sorted", int64_t{0}}};
  check_cases({
      {"sorted", "Unique", {}, {f32({4}, {2, 1, 1, 3})}, {f32({3}, {1, 2, 3}), i64({3}, {1, 0, 3}), i64({4}, {1, 0, 0, 2}), i64({3}, {2, 1, 1})}},
      {"by place", "Unique", unsorted, {f32({4}, {2, 1, 1, 3})}, {f32({3}, {2, 1, 3}), i64({3}, {0, 1, 3}), i64({4}, {0, 1, 1, 2}), i64({3}, {1, 2, 1})}},
      {"rows", "Unique", {{"axis", int64_t{0}}}, {f32({3, 2}, {2, 3, 1, 0, 1, 0})}, {f32({2, 2}, {1, 0, 2, 3}), i64({2}, {1, 0}), i64({3}, {1, 0, 0}), i64({2}, {2, 1})}},
      {"NaN", "Unique", {}, {f32({3}, {kNan, 1, kNan})}, {f32({2}, {1, kNan}), i64({2}, {1, 0}), i64({3}, {1, 0, 1}), i64({2}, {1, 2})}},
      {"strings", "Unique", {}, {texts({3}, {"b", "a", "b"})}, {texts({2}, {"a", "b"})}},
      {"counts only", "Unique", {}, {i64({2, 2}, {1, 1, 1, 0})}, {i64({2}, {0, 1}), kAbsent, kAbsent, i64({2}, {1, 3})}},
      {"nothing", "Unique", {}, {f32({0}, {})}, {f32({0}, {}), i64({0}, {}), i64({0}, {}), i64({0}, {})}},
  });
}

TEST(ReductionOps, Cumulative) {
  const Tensor x = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  check_cases({
      {"columns", "CumSum", {}, {x, i64({}, {0})}, {f32({2, 3}, {1, 2, 3, 5, 7, 9})}},
      {"rows", "CumSum", {}, {x, i32({}, {-1})}, {f32({2, 3}, {1, 3, 6, 4, 9, 15})}},
      {"exclusive", "CumSum", {{"exclusive", int64_t{1}}}, {x, i64({}, {1})}, {f32({2, 3}, {0, 1, 3, 0, 4, 9})}},
      {"reverse", "CumSum", {{"reverse", int64_t{1}}}, {x, i64({}, {1})}, {f32({2, 3}, {6, 5, 3, 15, 11, 6})}},
      {"both", "CumProd", {{"reverse", int64_t{1}}, {"exclusive", int64_t{1}}}, {i64({3}, {1, 2, 3}), i64({}, {0})}, {i64({3}, {6, 3, 1})}},
      {"product", "CumProd", {}, {i64({3}, {1, 2, 3}), i64({1}, {0})}, {i64({3}, {1, 2, 6})}},
      {"outside", "CumSum", {}, {x, i64({}, {2})}, {}, kShape, "axis 2"},
  });
}

TEST(ReductionOps, DetEinsum) {
  auto equation = [](const char* text) { return Attributes{{"equation", text}}; };
  const Tensor a = f32({2, 3}, {1, 2, 3, 4, 5, 6}), b = f32({3, 2}, {1, 0, 0, 1, 1, 1});
  check_cases({
      {"two matrices", "Det", {}, {f32({2, 2, 2}, {1, 2, 3, 4, 0, 1, 1, 0})}, {f32({2}, {-2, -1})}},
      {"singular", "Det", {}, {f32({2, 2}, {1, 2, 2, 4})}, {f32({}, {0})}},
      {"of nothing", "Det", {}, {f32({0, 0}, {})}, {f32({}, {1})}},
      {"not square", "Det", {}, {a}, {}, kShape, "differ"},
      {"product", "Einsum", equation("ij,jk->ik"), {a, b}, {f32({2, 2}, {4, 5, 10, 11})}},
      {"implicit", "Einsum", equation("ij, jk"), {a, b}, {f32({2, 2}, {4, 5, 10, 11})}},
      {"transposed", "Einsum", equation("ji"), {a}, {f32({3, 2}, {1, 4, 2, 5, 3, 6})}},
      {"sum", "Einsum", equation("ij->"), {a}, {f32({}, {21})}},
      {"diagonal", "Einsum", equation("ii->i"), {f32({2, 2}, {1, 2, 3, 4})}, {f32({2}, {1, 4})}},
      {"trace", "Einsum", equation("ii"), {f32({2, 2}, {1, 2, 3, 4})}, {f32({}, {5})}},
      {"ellipsis", "Einsum", equation("...i,...i->..."), {a, f32({1, 3}, {1, 1, 2})}, {f32({2}, {9, 21})}},
      {"integers", "Einsum", equation("i,i->i"), {i32({2}, {2, 3}), i32({2}, {4, 5})}, {i32({2}, {8, 15})}},
      {"three terms", "Einsum", equation("i,j,k->kji"), {f32({1}, {2}), f32({1}, {3}), f32({2}, {1, 2})}, {f32({2, 1, 1}, {6, 12})}},
      {"wrong rank", "Einsum", equation("i->i"), {a}, {}, kShape, "names 1 axes"},
      {"wrong sizes", "Einsum", equation("ij,ij->i"), {a, b}, {}, kShape, "do not broadcast"},
      {"unknown label", "Einsum", equation("ij->k"), {a}, {}, kModel, "output's labels"},
      {"bad character", "Einsum", equation("i1->i"), {a}, {}, kModel, "unexpected"},
      {"too few terms", "Einsum", equation("ij->i"), {a, b}, {}, kModel, "1 terms for 2 inputs"},
  });
}
// clang-format on

}  // namespace
}  // namespace planish::test
