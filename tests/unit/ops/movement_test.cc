// SPDX-License-Identifier: Apache-2.0
// Ops that move elements or tell shapes.
#include <gtest/gtest.h>

#include <limits>

#include "support/op_case.h"
#include "tensor/elements.h"

namespace planish::test {
namespace {

constexpr auto kShape = ErrorCode::kInvalidShape;
constexpr auto kValue = ErrorCode::kInvalidValue;
constexpr auto kType = ErrorCode::kInvalidType;
constexpr double kMax = 9.2e18, kMin = -9.2e18;
using Ints = std::vector<int64_t>;

// Tables of cases: one row, one line.
// clang-format off
TEST(MovementOps, Reshape) {
  check_cases({
      {"keeps and infers", "Reshape", {}, {counting(DType::kF32, {2, 3, 4}), i64({3}, {0, -1, 2})}, {counting(DType::kF32, {2, 6, 2})}},
      {"to a scalar", "Reshape", {}, {f32({1}, {5}), i64({0}, {})}, {f32({}, {5})}},
      {"integers keep contents", "Reshape", {}, {i64({}, {5}), i64({1}, {-1})}, {i64({1}, {5})}},
      {"zero batch", "Reshape", {}, {f32({0, 3, 2}, {}), i64({2}, {0, -1})}, {f32({0, 6}, {})}},
      {"allowzero", "Reshape", {{"allowzero", int64_t{1}}}, {f32({0, 3}, {}), i64({2}, {3, 0})}, {f32({3, 0}, {})}},
      {"strings", "Reshape", {}, {texts({2, 1}, {"a", "b"}), i64({1}, {2})}, {texts({2}, {"a", "b"})}},
      {"packed", "Reshape", {}, {tensor(DType::kI4, {3, 1}, {-8, 7, 1}), i64({1}, {3})}, {tensor(DType::kI4, {3}, {-8, 7, 1})}},
      {"wrong count", "Reshape", {}, {f32({2, 3}, {1, 2, 3, 4, 5, 6}), i64({2}, {2, 2})}, {}, kShape, "has not as many elements"},
      {"no divisor", "Reshape", {}, {f32({2, 3}, {1, 2, 3, 4, 5, 6}), i64({2}, {4, -1})}, {}, kShape, "does not divide"},
      {"two unknowns", "Reshape", {}, {f32({2}, {1, 2}), i64({2}, {-1, -1})}, {}, kValue, "more than one -1"},
      {"negative", "Reshape", {}, {f32({2}, {1, 2}), i64({1}, {-2})}, {}, kValue, "-2"},
      {"kept beyond the rank", "Reshape", {}, {f32({2}, {1, 2}), i64({3}, {2, 1, 0})}, {}, kValue, "0 (kept)"},
      {"overflowing", "Reshape", {}, {f32({2}, {1, 2}), i64({2}, {4e18, 4e18})}, {}, kShape, "overflow"},
      {"float shape", "Reshape", {}, {f32({2}, {1, 2}), f32({1}, {2})}, {}, kType, "expected int64, got float32"},
  });
}

TEST(MovementOps, SqueezeUnsqueezeFlatten) {
  check_cases({
      {"all", "Squeeze", {}, {counting(DType::kF32, {1, 3, 1})}, {counting(DType::kF32, {3})}},
      {"some", "Squeeze", {}, {counting(DType::kF32, {1, 3, 1}), i64({1}, {-1})}, {counting(DType::kF32, {1, 3})}},
      {"to a scalar", "Squeeze", {}, {i64({1}, {7}), i64({1}, {0})}, {i64({}, {7})}},
      {"not 1", "Squeeze", {}, {f32({2}, {1, 2}), i64({1}, {0})}, {}, kShape, "is not 1"},
      {"twice", "Squeeze", {}, {f32({1, 1}, {1}), i64({2}, {0, -2})}, {}, kShape, "given twice"},
      {"outside", "Squeeze", {}, {f32({1}, {1}), i64({1}, {kMax})}, {}, kShape, "outside of rank 1"},
      {"unsorted axes", "Unsqueeze", {}, {counting(DType::kF32, {2, 3}), i64({2}, {3, 0})}, {counting(DType::kF32, {1, 2, 3, 1})}},
      {"negative", "Unsqueeze", {}, {i64({}, {7}), i64({1}, {-1})}, {i64({1}, {7})}},
      {"a scalar axis", "Unsqueeze", {}, {f32({2}, {1, 2}), i64({}, {0})}, {f32({1, 2}, {1, 2})}},
      {"twice", "Unsqueeze", {}, {f32({2}, {1, 2}), i64({2}, {0, -3})}, {}, kShape, "given twice"},
      {"default", "Flatten", {}, {counting(DType::kF32, {2, 3, 4})}, {counting(DType::kF32, {2, 12})}},
      {"scalar", "Flatten", {{"axis", int64_t{0}}}, {f32({}, {1})}, {f32({1, 1}, {1})}},
      {"negative axis", "Flatten", {{"axis", int64_t{-1}}}, {counting(DType::kF32, {2, 3, 4})}, {counting(DType::kF32, {6, 4})}},
      {"past the rank", "Flatten", {{"axis", int64_t{4}}}, {counting(DType::kF32, {2, 3, 4})}, {}, kShape, "outside of rank"},
  });
}

TEST(MovementOps, ShapeSizeIdentity) {
  check_cases({
      {"all", "Shape", {}, {counting(DType::kF32, {2, 3, 4})}, {i64({3}, {2, 3, 4})}},
      {"middle", "Shape", {{"start", int64_t{1}}, {"end", int64_t{-1}}}, {counting(DType::kF32, {2, 3, 4})}, {i64({1}, {3})}},
      {"reversed", "Shape", {{"start", int64_t{2}}, {"end", int64_t{1}}}, {counting(DType::kF32, {2, 3, 4})}, {i64({0}, {})}},
      {"far", "Shape", {{"start", INT64_MIN}, {"end", INT64_MAX}}, {f32({2}, {1, 2})}, {i64({1}, {2})}},
      {"of a scalar", "Shape", {}, {f32({}, {1})}, {i64({0}, {})}},
      {"size", "Size", {}, {counting(DType::kF32, {2, 3, 4})}, {i64({}, {24})}},
      {"identity", "Identity", {}, {tensor(DType::kU2, {5}, {0, 1, 2, 3, 1})}, {tensor(DType::kU2, {5}, {0, 1, 2, 3, 1})}},
      {"sequence", "Identity", {}, {Datum::sequence({f32({1}, {1})})}, {Datum::sequence({f32({1}, {1})})}},
      {"absent optional", "Identity", {}, {Datum()}, {Datum()}},
  });
}

TEST(MovementOps, Transpose) {
  check_cases({
      {"reversed", "Transpose", {}, {counting(DType::kF32, {2, 3})}, {f32({3, 2}, {0, 3, 1, 4, 2, 5})}},
      {"chosen", "Transpose", {{"perm", Ints{1, 0, 2}}}, {counting(DType::kI64, {2, 2, 2})}, {i64({2, 2, 2}, {0, 1, 4, 5, 2, 3, 6, 7})}},
      {"complex", "Transpose", {}, {counting(DType::kC128, {2, 2})}, {tensor(DType::kC128, {2, 2}, {0, 2, 1, 3})}},
      {"strings", "Transpose", {}, {texts({1, 2}, {"a", "b"})}, {texts({2, 1}, {"a", "b"})}},
      {"packed", "Transpose", {}, {counting(DType::kU4, {2, 3})}, {tensor(DType::kU4, {3, 2}, {0, 3, 1, 4, 2, 5})}},
      {"empty", "Transpose", {}, {f32({0, 3}, {})}, {f32({3, 0}, {})}},
      {"scalar", "Transpose", {}, {f32({}, {2})}, {f32({}, {2})}},
      {"short perm", "Transpose", {{"perm", Ints{0}}}, {counting(DType::kF32, {2, 3})}, {}, kShape, "perm has 1 entries"},
      {"no permutation", "Transpose", {{"perm", Ints{0, 0}}}, {counting(DType::kF32, {2, 3})}, {}, kShape, "twice"},
  });
}

TEST(MovementOps, ConcatSplit) {
  const Tensor ab = counting(DType::kF32, {2, 3});
  check_cases({
      {"inner", "Concat", {{"axis", int64_t{-1}}}, {f32({2, 1}, {0, 3}), f32({2, 2}, {1, 2, 4, 5})}, {ab}},
      {"outer", "Concat", {{"axis", int64_t{0}}}, {f32({1, 3}, {0, 1, 2}), f32({1, 3}, {3, 4, 5})}, {ab}},
      {"contents", "Concat", {{"axis", int64_t{0}}}, {i64({1}, {2}), i64({2}, {3, -1}), i64({0}, {})}, {i64({3}, {2, 3, -1})}},
      {"strings", "Concat", {{"axis", int64_t{0}}}, {texts({1}, {"a"}), texts({1}, {"b"})}, {texts({2}, {"a", "b"})}},
      {"packed", "Concat", {{"axis", int64_t{1}}}, {tensor(DType::kI4, {2, 1}, {-1, -2}), tensor(DType::kI4, {2, 2}, {1, 2, 3, 4})}, {tensor(DType::kI4, {2, 3}, {-1, 1, 2, -2, 3, 4})}},
      {"different dims", "Concat", {{"axis", int64_t{0}}}, {f32({1, 2}, {0, 1}), f32({1, 3}, {3, 4, 5})}, {}, kShape, "dimension 1 of inputs 0 and 1"},
      {"different types", "Concat", {{"axis", int64_t{0}}}, {f32({1}, {0}), i64({1}, {3})}, {}, kType, "expected float32 as input 0, got int64"},
      {"different ranks", "Concat", {{"axis", int64_t{0}}}, {f32({1}, {0}), f32({1, 1}, {3})}, {}, kShape, "expected rank 1"},
      {"scalar", "Concat", {{"axis", int64_t{0}}}, {f32({}, {0})}, {}, kShape, "outside of rank 0"},
      {"equal parts", "Split", {{"axis", int64_t{1}}, {"num_outputs", int64_t{3}}}, {ab}, {f32({2, 1}, {0, 3}), kAbsent, f32({2, 1}, {2, 5})}},
      {"last smaller", "Split", {{"num_outputs", int64_t{2}}}, {i64({3}, {7, 8, 9})}, {i64({2}, {7, 8}), i64({1}, {9})}},
      {"listed", "Split", {{"axis", int64_t{-1}}}, {ab, i64({2}, {0, 3})}, {f32({2, 0}, {}), ab}},
      {"packed", "Split", {}, {tensor(DType::kI2, {3}, {-2, 1, 0}), i64({2}, {1, 2})}, {tensor(DType::kI2, {1}, {-2}), tensor(DType::kI2, {2}, {1, 0})}},
      {"wrong sum", "Split", {}, {i64({3}, {7, 8, 9}), i64({2}, {1, 1})}, {i64({0}, {}), i64({0}, {})}, kShape, "the parts make 2"},
      {"negative part", "Split", {}, {i64({3}, {7, 8, 9}), i64({2}, {-1, 4})}, {i64({0}, {}), i64({0}, {})}, kShape, "negative"},
      {"too many parts", "Split", {}, {i64({2}, {7, 8}), i64({3}, {1, 1, 0})}, {i64({0}, {}), i64({0}, {})}, kShape, "lists 3 parts"},
  });
}

TEST(MovementOps, Slice) {
  const Tensor x = counting(DType::kF32, {3, 4});
  auto one = [](double v) { return i64({1}, {v}); };
  check_cases({
      {"rows and columns", "Slice", {}, {x, i64({2}, {1, 0}), i64({2}, {3, 4}), i64({2}, {0, 1}), i64({2}, {1, 2})}, {f32({2, 2}, {4, 6, 8, 10})}},
      {"defaults", "Slice", {}, {x, i64({2}, {0, 1}), i64({2}, {1, -1})}, {f32({1, 2}, {1, 2})}},
      {"to the end", "Slice", {}, {x, one(-2), one(kMax), one(-1)}, {f32({3, 2}, {2, 3, 6, 7, 10, 11})}},
      {"reversed", "Slice", {}, {x, one(-1), one(kMin), one(1), one(-1)}, {f32({3, 4}, {3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8})}},
      {"reversed in twos", "Slice", {}, {x, one(3), one(0), one(1), one(-2)}, {f32({3, 2}, {3, 1, 7, 5, 11, 9})}},
      {"empty", "Slice", {}, {x, one(3), one(1), one(0)}, {f32({0, 4}, {})}},
      {"beyond", "Slice", {}, {x, one(7), one(9), one(0)}, {f32({0, 4}, {})}},
      {"huge step", "Slice", {}, {x, one(0), one(kMax), one(0), one(kMax)}, {f32({1, 4}, {0, 1, 2, 3})}},
      {"huge step back", "Slice", {}, {x, one(kMax), one(kMin), one(0), one(kMin)}, {f32({1, 4}, {8, 9, 10, 11})}},
      {"contents", "Slice", {}, {i64({4}, {2, 3, 5, 7}), one(-3), one(-1)}, {i64({2}, {3, 5})}},
      {"int32", "Slice", {}, {x, i32({1}, {1}), i32({1}, {2147483647}), i32({1}, {0})}, {f32({2, 4}, {4, 5, 6, 7, 8, 9, 10, 11})}},
      {"packed", "Slice", {}, {counting(DType::kU4, {5}), one(1), one(5), one(0), one(3)}, {tensor(DType::kU4, {2}, {1, 4})}},
      {"zero step", "Slice", {}, {x, one(0), one(1), one(0), one(0)}, {}, kValue, "step is 0"},
      {"axis twice", "Slice", {}, {x, i64({2}, {0, 0}), i64({2}, {1, 1}), i64({2}, {0, -2})}, {}, kShape, "twice"},
      {"lengths differ", "Slice", {}, {x, i64({2}, {0, 0}), one(1)}, {}, kShape, "input 2 has 1 elements"},
  });
}

TEST(MovementOps, ExpandTile) {
  check_cases({
      {"both ways", "Expand", {}, {f32({3, 1}, {1, 2, 3}), i64({3}, {2, 1, 2})}, {f32({2, 3, 2}, {1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3})}},
      {"smaller shape", "Expand", {}, {counting(DType::kF32, {2, 2}), i64({1}, {1})}, {counting(DType::kF32, {2, 2})}},
      {"contents", "Expand", {}, {i64({1}, {4}), i64({1}, {3})}, {i64({3}, {4, 4, 4})}},
      {"to nothing", "Expand", {}, {f32({1}, {4}), i64({2}, {0, 1})}, {f32({0, 1}, {})}},
      {"strings", "Expand", {}, {texts({}, {"a"}), i64({1}, {2})}, {texts({2}, {"a", "a"})}},
      {"mismatch", "Expand", {}, {f32({2}, {4, 5}), i64({1}, {3})}, {}, kShape, "do not broadcast"},
      {"negative", "Expand", {}, {f32({1}, {4}), i64({1}, {-1})}, {}, kShape, "negative"},
      {"too large", "Expand", {}, {f32({1}, {4}), i64({2}, {1000000, 1000000})}, {}, ErrorCode::kBudgetExceeded, "bytes of one value"},
      {"tile", "Tile", {}, {f32({1, 2}, {1, 2}), i64({2}, {2, 2})}, {f32({2, 4}, {1, 2, 1, 2, 1, 2, 1, 2})}},
      {"none", "Tile", {}, {f32({2}, {1, 2}), i64({1}, {0})}, {f32({0}, {})}},
      {"scalar", "Tile", {}, {f32({}, {1}), i64({0}, {})}, {f32({}, {1})}},
      {"packed", "Tile", {}, {tensor(DType::kI4, {3}, {1, -2, 3}), i64({1}, {2})}, {tensor(DType::kI4, {6}, {1, -2, 3, 1, -2, 3})}},
      {"negative", "Tile", {}, {f32({2}, {1, 2}), i64({1}, {-1})}, {}, kShape, "negative"},
      {"too few", "Tile", {}, {f32({1, 2}, {1, 2}), i64({1}, {1})}, {}, kShape, "expected 2 repeats"},
  });
}

TEST(MovementOps, Gathers) {
  const Tensor x = counting(DType::kF32, {3, 2});
  check_cases({
      {"rows", "Gather", {}, {x, i64({2}, {2, 0})}, {f32({2, 2}, {4, 5, 0, 1})}},
      {"columns", "Gather", {{"axis", int64_t{1}}}, {x, i32({1, 1}, {-1})}, {f32({3, 1, 1}, {1, 3, 5})}},
      {"one dim of a shape", "Gather", {}, {i64({3}, {7, 8, 9}), i64({}, {-1})}, {i64({}, {9})}},
      {"nothing", "Gather", {}, {x, i64({0}, {})}, {f32({0, 2}, {})}},
      {"packed", "Gather", {}, {tensor(DType::kI4, {3}, {-1, 5, 7}), i64({2}, {1, 0})}, {tensor(DType::kI4, {2}, {5, -1})}},
      {"outside", "Gather", {}, {x, i64({1}, {3})}, {}, kValue, "index 3 is outside of axis 0 of size 3"},
      {"far outside", "Gather", {}, {x, i64({1}, {kMin})}, {}, kValue, "outside"},
      {"scalar data", "Gather", {}, {f32({}, {1}), i64({1}, {0})}, {}, kShape, "rank 1 or more"},
      {"elements", "GatherElements", {{"axis", int64_t{1}}}, {x, i64({3, 1}, {0, 1, -1})}, {f32({3, 1}, {0, 3, 5})}},
      {"elements, fewer columns", "GatherElements", {}, {x, i64({1, 1}, {2})}, {f32({1, 1}, {4})}},
      {"elements outside", "GatherElements", {}, {x, i64({1, 2}, {0, -4})}, {}, kValue, "index -4"},
      {"elements too wide", "GatherElements", {}, {x, i64({1, 3}, {0, 0, 0})}, {}, kShape, "dimension 1 of the indices is 3"},
      {"tuples", "GatherND", {}, {x, i64({2, 2}, {0, 1, -1, 0})}, {f32({2}, {1, 4})}},
      {"slices", "GatherND", {}, {x, i64({1, 1}, {1})}, {f32({1, 2}, {2, 3})}},
      {"batches", "GatherND", {{"batch_dims", int64_t{1}}}, {x, i64({3, 1}, {1, 0, 1})}, {f32({3}, {1, 2, 5})}},
      {"tuple outside", "GatherND", {}, {x, i64({1, 2}, {0, 2})}, {}, kValue, "axis 1 of size 2"},
      {"long tuple", "GatherND", {}, {x, i64({1, 3}, {0, 0, 0})}, {}, kShape, "3 entries"},
  });
}

TEST(MovementOps, Scatters) {
  const Tensor zero = f32({2, 3}, {0, 0, 0, 0, 0, 0});
  check_cases({
      {"elements", "ScatterElements", {{"axis", int64_t{1}}}, {zero, i64({2, 1}, {1, -1}), f32({2, 1}, {5, 6})}, {f32({2, 3}, {0, 5, 0, 0, 0, 6})}},
      {"added twice", "ScatterElements", {{"axis", int64_t{1}}, {"reduction", "add"}}, {f32({1, 2}, {1, 2}), i64({1, 2}, {1, 1}), f32({1, 2}, {3, 4})}, {f32({1, 2}, {1, 9})}},
      {"maximum", "ScatterElements", {{"reduction", "max"}}, {i32({2}, {1, 9}), i64({2}, {0, 1}), i32({2}, {5, 5})}, {i32({2}, {5, 9})}},
      {"packed product", "ScatterElements", {{"reduction", "mul"}}, {tensor(DType::kI8, {2}, {3, 4}), i64({1}, {1}), tensor(DType::kI8, {1}, {-2})}, {tensor(DType::kI8, {2}, {3, -8})}},
      {"strings", "ScatterElements", {}, {texts({2}, {"a", "b"}), i64({1}, {1}), texts({1}, {"c"})}, {texts({2}, {"a", "c"})}},
      {"nothing", "ScatterElements", {}, {f32({2}, {1, 2}), i64({0}, {}), f32({0}, {})}, {f32({2}, {1, 2})}},
      {"outside", "ScatterElements", {}, {f32({2}, {1, 2}), i64({1}, {2}), f32({1}, {0})}, {}, kValue, "index 2"},
      {"strings added", "ScatterElements", {{"reduction", "add"}}, {texts({2}, {"a", "b"}), i64({1}, {1}), texts({1}, {"c"})}, {}, kType, "not defined for string"},
      {"slices", "ScatterND", {}, {zero, i64({1, 1}, {1}), f32({1, 3}, {1, 2, 3})}, {f32({2, 3}, {0, 0, 0, 1, 2, 3})}},
      {"single elements", "ScatterND", {{"reduction", "add"}}, {zero, i64({2, 2}, {0, 1, 0, -2}), f32({2}, {1, 2})}, {f32({2, 3}, {0, 3, 0, 0, 0, 0})}},
      {"wrong updates", "ScatterND", {}, {zero, i64({1, 1}, {1}), f32({1, 2}, {1, 2})}, {}, kShape, "expected shape [1, 3]"},
      {"outside", "ScatterND", {}, {zero, i64({1, 1}, {2}), f32({1, 3}, {1, 2, 3})}, {}, kValue, "axis 0 of size 2"},
      {"cache", "TensorScatter", {{"axis", int64_t{1}}}, {f32({2, 3, 1}, {0, 0, 0, 0, 0, 0}), f32({2, 1, 1}, {1, 2}), i64({2}, {0, 2})}, {f32({2, 3, 1}, {1, 0, 0, 0, 0, 2})}},
      {"circular", "TensorScatter", {{"axis", int64_t{1}}, {"mode", "circular"}}, {f32({1, 3, 1}, {0, 0, 0}), f32({1, 2, 1}, {1, 2}), i64({1}, {5})}, {f32({1, 3, 1}, {2, 0, 1})}},
      {"past the end", "TensorScatter", {{"axis", int64_t{1}}}, {f32({1, 3, 1}, {0, 0, 0}), f32({1, 2, 1}, {1, 2}), i64({1}, {2})}, {}, kValue, "write index 2"},
      {"from huge", "TensorScatter", {{"axis", int64_t{1}}}, {f32({1, 3, 1}, {0, 0, 0}), f32({1, 2, 1}, {1, 2}), i64({1}, {kMax})}, {}, kValue, "write index"},
  });
}

TEST(MovementOps, Pad) {
  const Tensor x = f32({2, 2}, {1, 2, 3, 4});
  check_cases({
      {"constant", "Pad", {}, {x, i64({4}, {0, 1, 0, 0}), f32({}, {9})}, {f32({2, 3}, {9, 1, 2, 9, 3, 4})}},
      {"zeros on one axis", "Pad", {}, {x, i64({2}, {0, 1}), kAbsent, i64({1}, {-1})}, {f32({2, 3}, {1, 2, 0, 3, 4, 0})}},
      {"cropped", "Pad", {}, {x, i64({4}, {-1, 0, 0, 1})}, {f32({1, 3}, {3, 4, 0})}},
      {"cropped to nothing and padded", "Pad", {}, {f32({2}, {1, 2}), i64({2}, {-2, 1})}, {f32({1}, {0})}},
      {"reflect", "Pad", {{"mode", "reflect"}}, {f32({3}, {1, 2, 3}), i64({2}, {2, 1})}, {f32({6}, {3, 2, 1, 2, 3, 2})}},
      {"reflect again and again", "Pad", {{"mode", "reflect"}}, {f32({2}, {1, 2}), i64({2}, {3, 0})}, {f32({5}, {2, 1, 2, 1, 2})}},
      {"edge", "Pad", {{"mode", "edge"}}, {f32({2}, {1, 2}), i64({2}, {2, 1})}, {f32({5}, {1, 1, 1, 2, 2})}},
      {"wrap", "Pad", {{"mode", "wrap"}}, {f32({3}, {1, 2, 3}), i64({2}, {1, 2})}, {f32({6}, {3, 1, 2, 3, 1, 2})}},
      {"strings", "Pad", {}, {texts({1}, {"a"}), i64({2}, {0, 1})}, {texts({2}, {"a", ""})}},
      {"packed", "Pad", {}, {tensor(DType::kU4, {1}, {5}), i64({2}, {1, 1}), tensor(DType::kU4, {}, {3})}, {tensor(DType::kU4, {3}, {3, 5, 3})}},
      {"below zero", "Pad", {}, {f32({2}, {1, 2}), i64({2}, {-2, -1})}, {}, kShape, "negative"},
      {"nothing to reflect", "Pad", {{"mode", "reflect"}}, {f32({0}, {}), i64({2}, {1, 0})}, {}, kValue, "nothing to pad with"},
      {"unknown mode", "Pad", {{"mode", "mirror"}}, {x, i64({4}, {0, 1, 0, 0})}, {}, ErrorCode::kInvalidModel, "mirror"},
      {"overflow", "Pad", {}, {f32({2}, {1, 2}), i64({2}, {kMax, kMax})}, {}, kShape, "overflow"},
      {"too few", "Pad", {}, {x, i64({2}, {0, 1})}, {}, kShape, "expected 4 pads"},
  });
}

TEST(MovementOps, Fills) {
  check_cases({
      {"default", "ConstantOfShape", {}, {i64({2}, {1, 2})}, {f32({1, 2}, {0, 0})}},
      {"value", "ConstantOfShape", {{"value", i64({1}, {7})}}, {i64({1}, {2})}, {i64({2}, {7, 7})}},
      {"scalar", "ConstantOfShape", {{"value", tensor(DType::kI4, {1}, {-3})}}, {i64({0}, {})}, {tensor(DType::kI4, {}, {-3})}},
      {"negative", "ConstantOfShape", {}, {i64({1}, {-1})}, {}, kShape, "negative"},
      {"two values", "ConstantOfShape", {{"value", i64({2}, {7, 8})}}, {i64({1}, {2})}, {}, ErrorCode::kInvalidModel, "one element"},
      {"terabytes", "ConstantOfShape", {}, {i64({2}, {1e6, 1e6})}, {}, ErrorCode::kBudgetExceeded, "bytes of one value"},
      {"up", "Range", {}, {i64({}, {1}), i64({}, {8}), i64({}, {3})}, {i64({3}, {1, 4, 7})}},
      {"down", "Range", {}, {i32({}, {3}), i32({}, {0}), i32({}, {-1})}, {i32({3}, {3, 2, 1})}},
      {"floats", "Range", {}, {f32({}, {0}), f32({}, {1}), f32({}, {0.4})}, {f32({3}, {0, 0.4, 0.8})}},
      {"empty", "Range", {}, {i64({}, {3}), i64({}, {0}), i64({}, {1})}, {i64({0}, {})}},
      {"far apart", "Range", {}, {i64({}, {kMin}), i64({}, {kMax}), i64({}, {kMax})}, {i64({2}, {kMin, 0})}},
      {"no step", "Range", {}, {i64({}, {3}), i64({}, {0}), i64({}, {0})}, {}, kValue, "delta is 0"},
      {"endless", "Range", {}, {i64({}, {kMin}), i64({}, {kMax}), i64({}, {1})}, {}, kValue, "not finite"},
      {"NaN", "Range", {}, {f32({}, {0}), f32({}, {std::nan("")}), f32({}, {1})}, {}, kValue, "not finite"},
      {"eye", "EyeLike", {{"k", int64_t{1}}, {"dtype", int64_t{7}}}, {f32({2, 3}, {1, 1, 1, 1, 1, 1})}, {i64({2, 3}, {0, 1, 0, 0, 0, 1})}},
      {"eye below", "EyeLike", {{"k", int64_t{-1}}}, {i64({2, 2}, {1, 1, 1, 1})}, {i64({2, 2}, {0, 0, 1, 0})}},
      {"eye far away", "EyeLike", {{"k", INT64_MIN}}, {i64({1, 1}, {1})}, {i64({1, 1}, {0})}},
      {"one hot", "OneHot", {}, {i64({2}, {1, -1}), i64({}, {3}), f32({2}, {0, 1})}, {f32({2, 3}, {0, 1, 0, 0, 0, 1})}},
      {"one hot first", "OneHot", {{"axis", int64_t{0}}}, {i64({2}, {1, 5}), i64({1}, {2}), f32({2}, {2, 3})}, {f32({2, 2}, {2, 2, 3, 2})}},
      {"negative depth", "OneHot", {}, {i64({2}, {1, -1}), i64({}, {-3}), f32({2}, {0, 1})}, {}, kShape, "negative"},
  });
}

TEST(MovementOps, Blocks) {
  check_cases({
      {"DCR", "DepthToSpace", {{"blocksize", int64_t{2}}}, {counting(DType::kF32, {1, 8, 1, 1})}, {f32({1, 2, 2, 2}, {0, 2, 4, 6, 1, 3, 5, 7})}},
      {"CRD", "DepthToSpace", {{"blocksize", int64_t{2}}, {"mode", "CRD"}}, {counting(DType::kF32, {1, 8, 1, 1})}, {f32({1, 2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7})}},
      {"back", "SpaceToDepth", {{"blocksize", int64_t{2}}}, {f32({1, 2, 2, 2}, {0, 2, 4, 6, 1, 3, 5, 7})}, {counting(DType::kF32, {1, 8, 1, 1})}},
      {"empty", "SpaceToDepth", {{"blocksize", int64_t{2}}}, {f32({0, 2, 2, 2}, {})}, {f32({0, 8, 1, 1}, {})}},
      {"indivisible", "SpaceToDepth", {{"blocksize", int64_t{2}}}, {counting(DType::kF32, {1, 1, 3, 2})}, {}, kShape, "height 3 is no multiple of 2"},
      {"no block", "DepthToSpace", {{"blocksize", int64_t{0}}}, {counting(DType::kF32, {1, 1, 1, 1})}, {}, ErrorCode::kInvalidModel, "blocksize is 0"},
      {"reverse", "ReverseSequence", {}, {counting(DType::kF32, {3, 2}), i64({2}, {2, 3})}, {f32({3, 2}, {2, 5, 0, 3, 4, 1})}},
      {"batch first", "ReverseSequence", {{"batch_axis", int64_t{0}}, {"time_axis", int64_t{1}}}, {counting(DType::kF32, {2, 3}), i64({2}, {2, 0})}, {f32({2, 3}, {1, 0, 2, 3, 4, 5})}},
      {"too long", "ReverseSequence", {}, {counting(DType::kF32, {3, 2}), i64({2}, {2, 4})}, {}, kValue, "sequence length 4"},
      {"upper", "Trilu", {}, {counting(DType::kF32, {2, 3})}, {f32({2, 3}, {0, 1, 2, 0, 4, 5})}},
      {"lower, below", "Trilu", {{"upper", int64_t{0}}}, {counting(DType::kI64, {1, 3, 3}), i64({}, {-1})}, {i64({1, 3, 3}, {0, 0, 0, 3, 0, 0, 6, 7, 0})}},
      {"far", "Trilu", {}, {counting(DType::kF32, {2, 2}), i64({}, {kMax})}, {f32({2, 2}, {0, 0, 0, 0})}},
      {"crop", "CenterCropPad", {}, {counting(DType::kF32, {4, 3}), i64({2}, {2, 4})}, {f32({2, 4}, {3, 4, 5, 0, 6, 7, 8, 0})}},
      {"one axis", "CenterCropPad", {{"axes", Ints{-1}}}, {counting(DType::kF32, {1, 3}), i64({1}, {1})}, {f32({1, 1}, {1})}},
      {"negative size", "CenterCropPad", {{"axes", Ints{-1}}}, {counting(DType::kF32, {1, 3}), i64({1}, {-1})}, {}, kShape, "negative"},
  });
}

TEST(MovementOps, Selections) {
  check_cases({
      {"axis", "Compress", {{"axis", int64_t{1}}}, {counting(DType::kF32, {2, 3}), boolean({2}, {0, 1})}, {f32({2, 1}, {1, 4})}},
      {"flat", "Compress", {}, {counting(DType::kF32, {2, 3}), boolean({5}, {0, 1, 0, 0, 1})}, {f32({2}, {1, 4})}},
      {"none", "Compress", {}, {counting(DType::kF32, {2, 3}), boolean({0}, {})}, {f32({0}, {})}},
      {"outside", "Compress", {{"axis", int64_t{0}}}, {f32({1}, {1}), boolean({2}, {0, 1})}, {}, kValue, "holds at 1"},
      {"matrix", "NonZero", {}, {f32({2, 2}, {1, 0, std::nan(""), -2})}, {i64({2, 3}, {0, 1, 1, 0, 0, 1})}},
      {"scalar", "NonZero", {}, {f32({}, {1})}, {i64({0, 1}, {})}},
      {"bools", "NonZero", {}, {boolean({3}, {0, 1, 1})}, {i64({1, 2}, {1, 2})}},
      {"strings", "NonZero", {}, {texts({2}, {"", "a"})}, {i64({1, 1}, {1})}},
  });
}

TEST(CastOps, Cast) {
  const double inf = std::numeric_limits<double>::infinity();
  auto to = [](DType type) { return Attributes{{"to", static_cast<int64_t>(type)}}; };
  check_cases({
      {"truncates", "Cast", to(DType::kI64), {f32({3}, {1.7, -1.7, 0})}, {i64({3}, {1, -1, 0})}},
      {"wraps", "Cast", to(DType::kI8), {i64({2}, {200, -129})}, {tensor(DType::kI8, {2}, {-56, 127})}},
      {"contents", "Cast", to(DType::kI32), {i64({2}, {3, -4})}, {i32({2}, {3, -4})}},
      {"bool", "Cast", to(DType::kBool), {f32({3}, {0, -0.5, std::nan("")})}, {boolean({3}, {0, 1, 1})}},
      {"from bool", "Cast", to(DType::kF16), {boolean({2}, {0, 1})}, {tensor(DType::kF16, {2}, {0, 1})}},
      {"saturates", "Cast", to(DType::kF8E4M3FN), {f32({2}, {1e6, -1e6})}, {tensor(DType::kF8E4M3FN, {2}, {448, -448})}},
      {"does not saturate", "Cast", {{"to", static_cast<int64_t>(DType::kF8E5M2)}, {"saturate", int64_t{0}}}, {f32({1}, {1e6})}, {tensor(DType::kF8E5M2, {1}, {inf})}},
      {"half overflows", "Cast", to(DType::kF16), {f32({1}, {1e6})}, {tensor(DType::kF16, {1}, {inf})}},
      {"to int4", "Cast", to(DType::kI4), {i64({3}, {-8, 7, 3})}, {tensor(DType::kI4, {3}, {-8, 7, 3})}},
      {"from strings", "Cast", to(DType::kF32), {texts({5}, {"3.5", "-INF", "+inf", "NaN", " 1e-3 "})}, {f32({5}, {3.5, -inf, inf, std::nan(""), 1e-3})}},
      {"huge strings", "Cast", to(DType::kF64), {texts({2}, {"1e999", "-1e-999"})}, {tensor(DType::kF64, {2}, {inf, 0})}},
      {"integers from strings", "Cast", to(DType::kI64), {texts({2}, {"9007199254740993", "2.7"})}, {Tensor::vector_i64(Ints{9007199254740993, 2})}},
      {"no number", "Cast", to(DType::kF32), {texts({1}, {"hello"})}, {}, kValue, "\"hello\""},
      {"to strings", "Cast", to(DType::kString), {f32({5}, {0.1, 1, -1e20, inf, 1e-5})}, {texts({5}, {"0.1", "1.0", "-1e+20", "inf", "1e-05"})}},
      {"half to strings", "Cast", to(DType::kString), {tensor(DType::kF16, {2}, {0.1, 1000})}, {texts({2}, {"0.1", "1000.0"})}},
      {"integers to strings", "Cast", to(DType::kString), {i64({2}, {-3, 12})}, {texts({2}, {"-3", "12"})}},
      {"like", "CastLike", {}, {i64({1}, {3}), f32({0}, {})}, {f32({1}, {3})}},
      {"no such type", "Cast", {{"to", int64_t{99}}}, {i64({1}, {3})}, {}, ErrorCode::kInvalidModel, "99"},
      {"bits", "BitCast", to(DType::kI32), {f32({1}, {1})}, {i32({1}, {0x3f800000})}},
      {"other width", "BitCast", to(DType::kI64), {f32({1}, {1})}, {}, kType, "32 bits"},
  });
}
// clang-format on

}  // namespace
}  // namespace planish::test
