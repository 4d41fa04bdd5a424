// SPDX-License-Identifier: Apache-2.0
// If: the outputs of one of two subgraphs.
#include <optional>

#include "base/str.h"
#include "ops/computing.h"
#include "ops/control_flow.h"
#include "ops/shape_rules.h"
#include "planish/error.h"

namespace planish {
namespace {

// What one branch gives.
struct Branch {
  std::vector<Type> types;     // empty: there is no such subgraph here
  std::optional<Error> error;  // its shapes or types contradict one another
};

// A branch that contradicts itself matters only if it runs: it fails then, as it would have here.
Branch infer_branch(InferContext& c, const char* name) {
  Branch branch;
  try {
    branch.types = c.infer_subgraph(name, {});
  } catch (const Error& error) {
    if (!is_contradiction(error)) throw;
    branch.error = error;
    return branch;
  }
  if (!branch.types.empty() && static_cast<int>(branch.types.size()) != c.output_count())
    c.fail(concat(name, " has ", branch.types.size(), " outputs, the node has ", c.output_count()),
           ErrorCode::kInvalidModel);
  return branch;
}

// The only branch that can give outputs, or null if both can. Throws if none can.
const Branch* only_branch(InferContext& c, const Branch& yes, const Branch& no) {
  const Tensor* condition = c.constant(0);
  if (condition != nullptr && condition->count() == 1) {
    const Branch& taken = element<int64_t>(*condition, 0) != 0 ? yes : no;
    if (taken.error) throw Error(*taken.error);
    return &taken;
  }
  if (yes.error && no.error) throw Error(*yes.error);
  return yes.error ? &no : no.error ? &yes : nullptr;
}

void infer_if(InferContext& c) {
  check_tensor(c, 0, is_bool, "bool");
  check_single(c, 0);
  const Branch yes = infer_branch(c, "then_branch"), no = infer_branch(c, "else_branch");
  const Branch* only = only_branch(c, yes, no);
  if (only != nullptr ? only->types.empty() : yes.types.empty() || no.types.empty()) return;
  std::set<std::string> widened;
  for (int i = 0; i < c.output_count(); ++i) {
    const auto at = static_cast<size_t>(i);
    c.set_output(
        i, only != nullptr ? only->types[at] : widen(c, yes.types[at], no.types[at], widened));
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
