// SPDX-License-Identifier: Apache-2.0
// If: the outputs of one of two subgraphs.
#include "base/str.h"
#include "ops/computing.h"
#include "ops/control_flow.h"
#include "ops/shape_rules.h"

namespace planish {
namespace {

std::vector<Type> branch_types(InferContext& c, const char* name) {
  std::vector<Type> types = c.infer_subgraph(name, {});
  if (!types.empty() && static_cast<int>(types.size()) != c.output_count())
    c.fail(concat(name, " has ", types.size(), " outputs, the node has ", c.output_count()),
           ErrorCode::kInvalidModel);
  return types;
}

void infer_if(InferContext& c) {
  check_tensor(c, 0, is_bool, "bool");
  check_single(c, 0);
  const std::vector<Type> then_types = branch_types(c, "then_branch");
  const std::vector<Type> else_types = branch_types(c, "else_branch");
  if (then_types.empty() || else_types.empty()) return;
  const Tensor* condition = c.constant(0);
  std::set<std::string> widened;
  for (int i = 0; i < c.output_count(); ++i) {
    const Type &a = then_types[static_cast<size_t>(i)], &b = else_types[static_cast<size_t>(i)];
    if (condition != nullptr && condition->count() == 1)
      c.set_output(i, element<int64_t>(*condition, 0) != 0 ? a : b);
    else
      c.set_output(i, widen(c, a, b, widened));
  }
}

void run_if(KernelContext& c) {
  c.require(c.input(0).count() == 1, "the condition is not one bool");
  const bool yes = element<int64_t>(c.input(0), 0) != 0;
  std::vector<Datum> results = c.run_subgraph(yes ? "then_branch" : "else_branch", {});
  c.require(static_cast<int>(results.size()) == c.output_count(),
            "the branch has another number of outputs");
  for (int i = 0; i < c.output_count(); ++i)
    if (c.wants_output(i)) c.set_output(i, std::move(results[static_cast<size_t>(i)]));
}

const RegisterOp kIf({.name = "If",
                      .subgraphs = {"then_branch", "else_branch"},
                      .outputs = {1, kAnyNumber},
                      .infer = infer_if,
                      .run = run_if,
                      .source = "https://onnx.ai/onnx/operators/onnx__If.html"});

}  // namespace
}  // namespace planish
