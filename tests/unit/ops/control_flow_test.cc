// SPDX-License-Identifier: Apache-2.0
// Control flow, sequences and optionals.
#include <gtest/gtest.h>

#include "support/op_case.h"
#include "tensor/elements.h"

namespace planish::test {
namespace {

constexpr auto kShape = ErrorCode::kInvalidShape;
constexpr auto kValue = ErrorCode::kInvalidValue;
constexpr auto kType = ErrorCode::kInvalidType;

double number(const Datum& datum) { return element<double>(datum.tensor(), 0); }

Subgraph constant_branch(const Datum& datum) {
  return [datum](const std::vector<Datum>&) { return std::vector<Datum>{datum}; };
}

// Tables of cases: one row, one line.
// clang-format off
TEST(ControlFlowOps, If) {
  const std::map<std::string, Subgraph> branches = {{"then_branch", constant_branch(f32({1}, {1}))}, {"else_branch", constant_branch(f32({2}, {2, 3}))}};
  check_cases({
      {"then", "If", {}, {boolean({}, {1})}, {f32({1}, {1})}, {}, "", 0, branches},
      {"else, a vector of one", "If", {}, {boolean({1}, {0})}, {f32({2}, {2, 3})}, {}, "", 0, branches},
      {"no bool", "If", {}, {f32({}, {0})}, {f32({}, {0})}, kType, "expected bool", 0, branches},
      {"two bools", "If", {}, {boolean({2}, {0, 1})}, {f32({}, {0})}, kShape, "expected one element", 0, branches},
  });
}

// Adds the iteration's number to the carried value, goes on while the sum is below 10, and yields
// the sum.
std::vector<Datum> adding_body(std::vector<Datum> in) {
  const double sum = number(in[0]) + number(in[2]);
  return {boolean({}, {sum < 10 ? 1.0 : 0.0}), f32({}, {sum}), f32({1}, {sum})};
}

// The carried vector grows by one each time.
std::vector<Datum> growing_body(std::vector<Datum> in) {
  std::vector<double> values = load<double>(in[2].tensor());
  values.push_back(number(in[0]));
  const auto size = static_cast<int64_t>(values.size());
  return {boolean({}, {1}), f32({size}, values), f32({size}, values)};
}

TEST(ControlFlowOps, Loop) {
  const std::map<std::string, Subgraph> adding = {{"body", adding_body}}, growing = {{"body", growing_body}};
  check_cases({
      {"counted", "Loop", {}, {i64({}, {3}), kAbsent, f32({}, {1})}, {f32({}, {4}), f32({3, 1}, {1, 2, 4})}, {}, "", 0, adding},
      {"while", "Loop", {}, {kAbsent, boolean({}, {1}), f32({}, {5})}, {f32({}, {11}), f32({4, 1}, {5, 6, 8, 11})}, {}, "", 0, adding},
      {"the condition is ignored", "Loop", {}, {i64({1}, {5}), kAbsent, f32({}, {5})}, {f32({}, {15}), kAbsent}, {}, "", 0, adding},
      {"never", "Loop", {}, {i64({}, {3}), boolean({}, {0}), f32({}, {1})}, {f32({}, {1}), kAbsent}, {}, "", 0, adding},
      {"negative count", "Loop", {}, {i64({}, {-3}), kAbsent, f32({}, {1})}, {f32({}, {1}), kAbsent}, {}, "", 0, adding},
      {"never, unknown type", "Loop", {}, {i64({}, {0}), kAbsent, f32({}, {1})}, {f32({}, {1}), f32({0}, {})}, kValue, "no iteration ran", 0, adding},
      {"growing", "Loop", {}, {i64({}, {2}), kAbsent, f32({1}, {9})}, {f32({3}, {9, 0, 1}), kAbsent}, {}, "", 0, growing},
      {"growing results", "Loop", {}, {i64({}, {2}), kAbsent, f32({1}, {9})}, {f32({3}, {9, 0, 1}), f32({0}, {})}, kShape, "changes from", 0, growing},
      {"endless", "Loop", {}, {kAbsent, kAbsent, f32({}, {1})}, {f32({}, {1}), kAbsent}, ErrorCode::kBudgetExceeded, "loop iterations", 0, adding, {.loop_iterations = 1000}},
      {"2^63 trips", "Loop", {}, {i64({}, {9.2e18}), kAbsent, f32({}, {1})}, {f32({}, {1}), kAbsent}, ErrorCode::kBudgetExceeded, "loop iterations", 0, adding, {.loop_iterations = 1000}},
  });
}

// State: running sum. Results: the sum, and the slice.
std::vector<Datum> scanning_body(std::vector<Datum> in) {
  const double sum = number(in[0]) + number(in[1]);
  return {f32({}, {sum}), f32({}, {sum}), in[1]};
}

TEST(ControlFlowOps, Scan) {
  using Ints = std::vector<int64_t>;
  const std::map<std::string, Subgraph> body = {{"body", scanning_body}};
  const Tensor x = f32({3}, {1, 2, 3});
  check_cases({
      {"forward", "Scan", {{"num_scan_inputs", int64_t{1}}}, {f32({}, {10}), x}, {f32({}, {16}), f32({3}, {11, 13, 16}), x}, {}, "", 0, body},
      {"backward",
       "Scan",
       {{"num_scan_inputs", int64_t{1}}, {"scan_input_directions", Ints{1}}, {"scan_output_directions", Ints{0, 1}}},
       {f32({}, {0}), x},
       {f32({}, {6}), f32({3}, {3, 5, 6}), x},
       {},
       "",
       0,
       body},
      {"columns",
       "Scan",
       {{"num_scan_inputs", int64_t{1}}, {"scan_input_axes", Ints{-1}}, {"scan_output_axes", Ints{0, 1}}},
       {f32({}, {0}), f32({2, 3}, {1, 2, 3, 4, 5, 6})},
       {f32({}, {6}), f32({3}, {1, 3, 6}), f32({2, 3}, {1, 2, 3, 4, 5, 6})},
       {},
       "",
       0,
       body},
      {"no slices", "Scan", {{"num_scan_inputs", int64_t{1}}}, {f32({}, {10}), f32({0}, {})}, {f32({}, {10}), kAbsent, kAbsent}, {}, "", 0, body},
      {"bad count", "Scan", {{"num_scan_inputs", int64_t{3}}}, {f32({}, {10}), x}, {kAbsent, kAbsent, kAbsent}, ErrorCode::kInvalidModel, "num_scan_inputs is 3", 0, body},
      {"bad axes", "Scan", {{"num_scan_inputs", int64_t{1}}, {"scan_input_axes", Ints{}}}, {f32({}, {10}), x}, {kAbsent, kAbsent, kAbsent}, ErrorCode::kInvalidModel, "scan_input_axes", 0, body},
  });
}

TEST(ControlFlowOps, Sequences) {
  const Datum two = Datum::sequence({f32({1}, {1}), f32({2}, {2, 3})}), none = Datum::sequence({});
  const std::map<std::string, Subgraph> shape_of = {{"body", [](std::vector<Datum> in) { return std::vector<Datum>{i64({1}, {static_cast<double>(in[0].tensor().dims()[0])})}; }}};
  check_cases({
      {"construct", "SequenceConstruct", {}, {f32({1}, {1}), f32({2}, {2, 3})}, {two}},
      {"mixed", "SequenceConstruct", {}, {f32({1}, {1}), i64({1}, {2})}, {}, kType, "expected items of type float32"},
      {"empty", "SequenceEmpty", {}, {}, {none}},
      {"at", "SequenceAt", {}, {two, i64({}, {-1})}, {f32({2}, {2, 3})}},
      {"at, outside", "SequenceAt", {}, {two, i64({}, {2})}, {}, kValue, "position 2 is outside of a sequence of 2"},
      {"at, far", "SequenceAt", {}, {none, i64({}, {-9.2e18})}, {}, kValue, "outside"},
      {"at, tensor", "SequenceAt", {}, {f32({1}, {1}), i64({}, {2})}, {}, kType, "expected a sequence"},
      {"erase last", "SequenceErase", {}, {two}, {Datum::sequence({f32({1}, {1})})}},
      {"erase first", "SequenceErase", {}, {two, i32({}, {0})}, {Datum::sequence({f32({2}, {2, 3})})}},
      {"erase nothing", "SequenceErase", {}, {none}, {}, kValue, "position -1"},
      {"insert at end", "SequenceInsert", {}, {Datum::sequence({f32({1}, {1})}), f32({2}, {2, 3})}, {two}},
      {"insert", "SequenceInsert", {}, {Datum::sequence({f32({2}, {2, 3})}), f32({1}, {1}), i64({}, {-1})}, {two}},
      {"insert, other type", "SequenceInsert", {}, {two, i64({1}, {1})}, {}, kType, "expected items of type"},
      {"insert, outside", "SequenceInsert", {}, {two, f32({1}, {1}), i64({}, {3})}, {}, kValue, "position 3"},
      {"length", "SequenceLength", {}, {two}, {i64({}, {2})}},
      {"map", "SequenceMap", {}, {two}, {Datum::sequence({i64({1}, {1}), i64({1}, {2})})}, {}, "", 0, shape_of},
      {"map of different lengths", "SequenceMap", {}, {two, none}, {none}, kValue, "input 1 has 0 items", 0, shape_of},
      {"split", "SplitToSequence", {}, {f32({3}, {1, 2, 3}), i64({}, {2})}, {Datum::sequence({f32({2}, {1, 2}), f32({1}, {3})})}},
      {"split by list", "SplitToSequence", {{"axis", int64_t{1}}}, {f32({1, 3}, {1, 2, 3}), i64({2}, {0, 3})}, {Datum::sequence({f32({1, 0}, {}), f32({1, 3}, {1, 2, 3})})}},
      {"split, dropped", "SplitToSequence", {{"keepdims", int64_t{0}}}, {f32({2}, {1, 2})}, {Datum::sequence({f32({}, {1}), f32({}, {2})})}},
      {"split by nothing", "SplitToSequence", {}, {f32({3}, {1, 2, 3}), i64({}, {0})}, {}, kValue, "positive"},
      {"split short", "SplitToSequence", {}, {f32({3}, {1, 2, 3}), i64({1}, {2})}, {}, kValue, "leave 1"},
      {"concat", "ConcatFromSequence", {{"axis", int64_t{0}}}, {two}, {f32({3}, {1, 2, 3})}},
      {"stack", "ConcatFromSequence", {{"axis", int64_t{-1}}, {"new_axis", int64_t{1}}}, {Datum::sequence({f32({2}, {1, 2}), f32({2}, {3, 4})})}, {f32({2, 2}, {1, 3, 2, 4})}},
      {"stack of different shapes", "ConcatFromSequence", {{"axis", int64_t{0}}, {"new_axis", int64_t{1}}}, {two}, {}, kValue, "do not join"},
      {"concat of nothing", "ConcatFromSequence", {{"axis", int64_t{0}}}, {none}, {}, kValue, "empty"},
  });
}

TEST(ControlFlowOps, Optionals) {
  check_cases({
      {"full", "Optional", {}, {f32({1}, {1})}, {f32({1}, {1})}},
      {"empty", "Optional", {{"type", Type::tensor(DType::kF32)}}, {}, {Datum()}},
      {"get", "OptionalGetElement", {}, {f32({1}, {1})}, {f32({1}, {1})}},
      {"get nothing", "OptionalGetElement", {}, {Datum()}, {}, kValue, "empty"},
      {"has", "OptionalHasElement", {}, {f32({1}, {1})}, {boolean({}, {1})}},
      {"has not", "OptionalHasElement", {}, {Datum()}, {boolean({}, {0})}},
      {"has no input", "OptionalHasElement", {}, {kAbsent}, {boolean({}, {0})}},
  });
}
// clang-format on

}  // namespace
}  // namespace planish::test
