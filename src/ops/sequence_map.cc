// SPDX-License-Identifier: Apache-2.0
// SequenceMap: runs a body on each item of a sequence (and of others of the same length; tensors go
// in whole) and makes sequences of what comes out.
#include "ops/control_flow.h"
#include "ops/sequence.h"

namespace planish {
namespace {

void infer_sequence_map(InferContext& c) {
  std::vector<Type> inputs{check_sequence(c, 0)};
  for (int i = 1; i < c.input_count(); ++i) {
    const Type& type = c.input(i);
    inputs.push_back(type.kind == Type::Kind::kSequence ? check_sequence(c, i) : type);
  }
  const std::vector<Type> body = c.infer_subgraph("body", inputs);
  if (!body.empty() && static_cast<int>(body.size()) != c.output_count())
    c.fail(concat("the body has ", body.size(), " outputs, the node has ", c.output_count()),
           ErrorCode::kInvalidModel);
  for (int i = 0; i < c.output_count(); ++i)
    c.set_output(i, body.empty() ? Type{.kind = Type::Kind::kSequence}
                                 : Type::sequence(body[static_cast<size_t>(i)]));
}

void run_sequence_map(KernelContext& c) {
  const size_t length = c.datum(0).items().size();
  std::vector<Sequence> results(static_cast<size_t>(c.output_count()));
  for (int i = 1; i < c.input_count(); ++i)
    if (c.datum(i).is_sequence() && c.datum(i).items().size() != length)
      c.fail(
          concat("input ", i, " has ", c.datum(i).items().size(), " items, input 0 has ", length));
  for (size_t n = 0; n < length; ++n) {
    c.budget().spend_iterations(1, c.node());
    std::vector<Datum> inputs;
    for (int i = 0; i < c.input_count(); ++i)
      inputs.push_back(c.datum(i).is_sequence() ? c.datum(i).items()[n] : owned(c.datum(i)));
    std::vector<Datum> made = c.run_subgraph("body", std::move(inputs));
    c.require(made.size() == results.size(), "the body has another number of outputs");
    for (size_t i = 0; i < made.size(); ++i) results[i].push_back(std::move(made[i]));
  }
  for (int i = 0; i < c.output_count(); ++i)
    if (c.wants_output(i))
      c.set_output(i, Datum::sequence(std::move(results[static_cast<size_t>(i)])));
}

const RegisterOp kSequenceMap({.name = "SequenceMap",
                               .subgraphs = {"body"},
                               .inputs = {1, kAnyNumber},
                               .outputs = {1, kAnyNumber},
                               .infer = infer_sequence_map,
                               .run = run_sequence_map,
                               .source = "https://onnx.ai/onnx/operators/onnx__SequenceMap.html"});

}  // namespace
}  // namespace planish
