// SPDX-License-Identifier: Apache-2.0
// planish.Dims: integers computed from the dimensions of other tensors.
//
// A chain of Shape, Gather, arithmetic and Concat whose result is an expression over the dimensions
// of the graph's inputs becomes one such node. Attributes: `symbols` names the dimensions,
// `sources` says where each is read (input, axis, two integers a symbol), `dims` holds the
// expressions in the text form of tensor/dim.h, `scalar` is 1 for a result of rank 0, `dtype` is
// that of the result. Inputs are read for their dimensions only.
#include <map>

#include "base/str.h"
#include "ops/op.h"
#include "planish/error.h"
#include "tensor/elements.h"

namespace planish {
namespace {

DType result_type(const Attributes& attributes) {
  const int64_t number = attributes.integer("dtype", static_cast<int64_t>(DType::kI64));
  if (number != static_cast<int64_t>(DType::kI64) && number != static_cast<int64_t>(DType::kI32))
    throw Error(ErrorCode::kInvalidModel, concat("dtype ", number, ": expected int32 or int64"));
  return static_cast<DType>(number);
}

void infer_dims(InferContext& c) {
  const auto& symbols = c.attributes().texts("symbols");
  const auto& sources = c.attributes().integers("sources");
  const auto& dims = c.attributes().texts("dims");
  const bool scalar = c.attributes().integer("scalar", 0) != 0;
  if (sources.size() != symbols.size() * 2)
    c.fail("expected two sources a symbol", ErrorCode::kInvalidModel);
  if (scalar && dims.size() != 1) c.fail("a scalar has one dim", ErrorCode::kInvalidModel);
  const DType type = result_type(c.attributes());
  std::map<std::string, Dim> bound;
  for (size_t i = 0; i < symbols.size(); ++i) {
    const int64_t input = sources[2 * i], axis = sources[2 * i + 1];
    if (input < 0 || input >= c.input_count())
      c.fail("a source is not an input", ErrorCode::kInvalidModel);
    if (!c.has_rank(static_cast<int>(input))) continue;
    const Shape& shape = c.shape(static_cast<int>(input));
    if (axis < 0 || axis >= static_cast<int64_t>(shape.size()))
      c.fail("a source is not an axis of its input", ErrorCode::kInvalidModel);
    bound[symbols[i]] = shape[static_cast<size_t>(axis)];
  }
  Contents contents;
  for (const std::string& text : dims) contents.emplace_back(Dim::parse(text).substitute(bound));
  Shape shape;
  if (!scalar) shape.push_back(Dim(static_cast<int64_t>(dims.size())));
  c.set_output(0, Type::tensor(type, shape));
  c.set_contents(0, std::move(contents));
}

void run_dims(KernelContext& c) {
  const auto& symbols = c.attributes().texts("symbols");
  const auto& sources = c.attributes().integers("sources");
  std::map<std::string, int64_t> values;
  for (size_t i = 0; i < symbols.size(); ++i) {
    const Tensor& t = c.input(static_cast<int>(sources[2 * i]));
    const int64_t axis = sources[2 * i + 1];
    if (axis >= t.rank()) c.fail("a source is not an axis of its input");
    values[symbols[i]] = t.dim(static_cast<int>(axis));
  }
  const auto lookup = [&](const std::string& name) -> std::optional<int64_t> {
    const auto it = values.find(name);
    return it == values.end() ? std::nullopt : std::optional<int64_t>(it->second);
  };
  std::vector<int64_t> out;
  for (const std::string& text : c.attributes().texts("dims")) {
    const auto v = Dim::parse(text).evaluate(lookup);
    if (!v) c.fail(concat("dimension ", text, " has no value"));
    out.push_back(*v);
  }
  store(c.output(0), out);
}

const RegisterOp kDims(
    {.name = "planish.Dims",
     .attributes = {required("symbols", AttrKind::kStrings), required("sources", AttrKind::kInts),
                    required("dims", AttrKind::kStrings), optional("scalar", AttrKind::kInt),
                    optional("dtype", AttrKind::kInt)},
     .inputs = {0, kAnyNumber},
     .outputs = {1, 1},
     .infer = infer_dims,
     .run = run_dims,
     .source = "Planish's own"});

}  // namespace
}  // namespace planish
