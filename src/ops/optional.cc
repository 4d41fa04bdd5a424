// SPDX-License-Identifier: Apache-2.0
// Optional, OptionalGetElement, OptionalHasElement. At run time an optional is what it holds, or an
// empty datum.
#include "ops/control_flow.h"
#include "ops/shape_rules.h"

namespace planish {
namespace {

void infer_optional(InferContext& c) {
  if (c.has_input(0)) {
    c.set_output(0, Type::optional(c.input(0)));
  } else {
    // Without the attribute the kind of what is absent is not known.
    c.set_output(0, c.attributes().has("type") ? Type::optional(c.attributes().type("type"))
                                               : Type{.kind = Type::Kind::kOptional});
  }
}

void run_optional(KernelContext& c) {
  c.set_output(0, c.has_input(0) ? owned(c.datum(0)) : Datum());
}

void infer_optional_get_element(InferContext& c) {
  const Type& type = c.input(0);
  if (type.kind == Type::Kind::kOptional)
    c.set_output(0, type.element ? *type.element : Type{});
  else
    c.set_output(0, type);
}

void run_optional_get_element(KernelContext& c) {
  c.require(!c.datum(0).empty(), "the optional is empty");
  c.set_output(0, owned(c.datum(0)));
}

void infer_optional_has_element(InferContext& c) { set_tensor(c, 0, DType::kBool, Shape{}); }

void run_optional_has_element(KernelContext& c) {
  *c.output(0).as<uint8_t>() = c.has_input(0) && !c.datum(0).empty() ? 1 : 0;
}

const RegisterOp kOptional({.name = "Optional",
                            .attributes = {optional("type", AttrKind::kType)},
                            .inputs = {0, 1},
                            .infer = infer_optional,
                            .run = run_optional,
                            .source = "https://onnx.ai/onnx/operators/onnx__Optional.html"});
const RegisterOp kOptionalGetElement(
    {.name = "OptionalGetElement",
     .infer = infer_optional_get_element,
     .run = run_optional_get_element,
     .source = "https://onnx.ai/onnx/operators/onnx__OptionalGetElement.html"});
const RegisterOp kOptionalHasElement(
    {.name = "OptionalHasElement",
     .inputs = {0, 1},
     .infer = infer_optional_has_element,
     .run = run_optional_has_element,
     .source = "https://onnx.ai/onnx/operators/onnx__OptionalHasElement.html"});

}  // namespace
}  // namespace planish
