// SPDX-License-Identifier: Apache-2.0
// Loop: runs a body while a condition holds and a count is not reached; carries values from one
// iteration to the next and gathers others.
#include <algorithm>

#include "base/str.h"
#include "ops/computing.h"
#include "ops/control_flow.h"
#include "ops/shape_rules.h"

namespace planish {
namespace {

void infer_loop(InferContext& c) {
  if (c.has_input(0)) {
    check_tensor(c, 0, is_i64, "int64");
    check_single(c, 0);
  }
  if (c.has_input(1)) {
    check_tensor(c, 1, is_bool, "bool");
    check_single(c, 1);
  }
  std::vector<Type> carried;
  for (int i = 2; i < c.input_count(); ++i) carried.push_back(c.has_input(i) ? c.input(i) : Type{});
  const int count = static_cast<int>(carried.size());
  if (c.output_count() < count)
    c.fail(concat(c.output_count(), " outputs for ", count, " carried values"),
           ErrorCode::kInvalidModel);
  const std::vector<Type> body = infer_loop_body(
      c, {Type::tensor(DType::kI64, {}), Type::tensor(DType::kBool, {})}, carried, {}, 1);
  if (body.empty()) return;
  if (static_cast<int>(body.size()) != c.output_count() + 1)
    c.fail(concat("the body has ", body.size(), " outputs, expected ", c.output_count() + 1),
           ErrorCode::kInvalidModel);
  const Dim iterations = c.fresh_dim();
  for (int i = 0; i < c.output_count(); ++i) {
    if (i < count) {
      c.set_output(i, carried[static_cast<size_t>(i)]);
      continue;
    }
    Type type = body[static_cast<size_t>(i) + 1];
    if (type.shape) type.shape->insert(type.shape->begin(), iterations);
    c.set_output(i, std::move(type));
  }
}

void run_loop(KernelContext& c) {
  const int carried_count = std::max(0, c.input_count() - 2);
  const int64_t limit = c.has_input(0) ? element<int64_t>(c.input(0), 0) : INT64_MAX;
  const bool has_condition = c.has_input(1);
  bool go_on = !has_condition || element<int64_t>(c.input(1), 0) != 0;
  std::vector<Datum> carried;
  for (int i = 0; i < carried_count; ++i)
    carried.push_back(c.has_input(2 + i) ? owned(c.datum(2 + i)) : Datum());
  std::vector<Gathered> scans;
  for (int i = carried_count; i < c.output_count(); ++i)
    scans.emplace_back(c, concat("output ", i));
  for (int64_t n = 0; n < limit && go_on; ++n) {
    c.budget().spend_iterations(1, c.node());
    std::vector<Datum> inputs{Datum(Tensor::scalar_i64(n)), Datum(Tensor(DType::kBool, {}))};
    *std::get<Tensor>(inputs[1].held).as<uint8_t>() = 1;
    for (Datum& datum : carried) inputs.push_back(std::move(datum));
    std::vector<Datum> results = c.run_subgraph("body", std::move(inputs));
    c.require(static_cast<int>(results.size()) == c.output_count() + 1,
              "the body has another number of outputs");
    if (has_condition) {
      c.require(results[0].tensor().count() == 1, "the body's condition is not one bool");
      go_on = element<int64_t>(results[0].tensor(), 0) != 0;
    }
    for (size_t i = 0; i < carried.size(); ++i) carried[i] = std::move(results[1 + i]);
    for (size_t i = 0; i < scans.size(); ++i)
      if (c.wants_output(carried_count + static_cast<int>(i)))
        scans[i].add(results[1 + carried.size() + i]);
  }
  const std::vector<Type> types = c.subgraph_types("body");
  for (int i = 0; i < c.output_count(); ++i) {
    if (!c.wants_output(i)) continue;
    const auto at = static_cast<size_t>(i);
    if (i < carried_count)
      c.set_output(i, std::move(carried[at]));
    else
      c.set_output(i, scans[at - carried.size()].joined(
                          0, false, at + 1 < types.size() ? types[at + 1] : Type{}));
  }
}

const RegisterOp kLoop({.name = "Loop",
                        .subgraphs = {"body"},
                        .inputs = {2, kAnyNumber},
                        .outputs = {1, kAnyNumber},
                        .infer = infer_loop,
                        .run = run_loop,
                        .source = "https://onnx.ai/onnx/operators/onnx__Loop.html"});

}  // namespace
}  // namespace planish
