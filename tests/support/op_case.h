// SPDX-License-Identifier: Apache-2.0
// Tables of cases for ops. One case runs an op on tensors and compares, and runs its shape rule
// over symbols (dims, contents and ranks that are not known) and checks that what the rule says
// holds for the concrete result.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ops/evaluate.h"
#include "planish/error.h"

namespace planish::test {

// Tensors from numbers; `values` are rounded to `type`.
Tensor tensor(DType type, Dims dims, const std::vector<double>& values);
inline Tensor f32(Dims dims, const std::vector<double>& values) {
  return tensor(DType::kF32, std::move(dims), values);
}
inline Tensor i64(Dims dims, const std::vector<double>& values) {
  return tensor(DType::kI64, std::move(dims), values);
}
inline Tensor i32(Dims dims, const std::vector<double>& values) {
  return tensor(DType::kI32, std::move(dims), values);
}
inline Tensor boolean(Dims dims, const std::vector<double>& values) {
  return tensor(DType::kBool, std::move(dims), values);
}
inline Tensor texts(Dims dims, std::vector<std::string> values) {
  return Tensor::strings(std::move(dims), std::move(values));
}
// 0, 1, 2, ... of the given dims.
Tensor counting(DType type, Dims dims);

// An input that is absent.
inline const std::optional<Datum> kAbsent = std::nullopt;

using Subgraph = std::function<std::vector<Datum>(std::vector<Datum>)>;

struct OpCase {
  std::string name;
  std::string op;
  Attributes attributes = {};
  std::vector<std::optional<Datum>> inputs = {};
  std::vector<std::optional<Datum>> outputs = {};  // absent: not wanted
  // Instead of outputs: the error's code and a part of its message.
  std::optional<ErrorCode> error = {};
  std::string message = {};
  double tolerance = 1e-5;  // relative to the largest magnitude of the output
  std::map<std::string, Subgraph> subgraphs = {};
  RunLimits limits = {};
};

// The outputs that evaluate() gives for the case.
std::vector<Datum> evaluate_case(const OpCase& test);
// Runs one case with all its checks; failures name it.
void check_case(const OpCase& test);
void check_cases(std::initializer_list<OpCase> cases);

void expect_equal(const Datum& actual, const Datum& expected, double tolerance,
                  const std::string& what);

}  // namespace planish::test
