// SPDX-License-Identifier: Apache-2.0
// planish.Fused: several nodes that a backend computes in one go.
//
// The subgraph "body" takes the node's inputs and gives its outputs; it captures nothing. What the
// node means is what the body means, so the reference runs the body.
#include "base/str.h"
#include "ops/op.h"
#include "planish/error.h"

namespace planish {
namespace {

void infer_fused(InferContext& c) {
  std::vector<Type> inputs;
  for (int i = 0; i < c.input_count(); ++i) inputs.push_back(c.has_input(i) ? c.input(i) : Type{});
  const std::vector<Type> types = c.infer_subgraph("body", inputs);
  for (size_t i = 0; i < types.size(); ++i) c.set_output(static_cast<int>(i), types[i]);
}

void run_fused(KernelContext& c) {
  std::vector<Datum> inputs;
  for (int i = 0; i < c.input_count(); ++i) inputs.push_back(c.has_input(i) ? c.datum(i) : Datum());
  std::vector<Datum> results = c.run_subgraph("body", std::move(inputs));
  if (static_cast<int>(results.size()) != c.output_count())
    c.fail(concat("the body gives ", results.size(), " outputs, expected ", c.output_count()),
           ErrorCode::kInternal);
  for (int i = 0; i < c.output_count(); ++i)
    if (c.wants_output(i)) c.set_output(i, std::move(results[static_cast<size_t>(i)]));
}

const RegisterOp kFused({.name = "planish.Fused",
                         .subgraphs = {"body"},
                         .inputs = {0, kAnyNumber},
                         .outputs = {1, kAnyNumber},
                         .infer = infer_fused,
                         .run = run_fused,
                         .tolerance = {1e-5},
                         .source = "Planish's own"});

}  // namespace
}  // namespace planish
