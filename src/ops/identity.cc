// SPDX-License-Identifier: Apache-2.0
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_identity(InferContext& c) {
  set_like(c, 0, 0);
  pass_contents(c, 0);
}

void run_identity(KernelContext& c) {
  if (c.datum(0).is_tensor())
    copy_all(c.output(0), c.input(0));
  else
    c.set_output(0, c.datum(0));
}

const RegisterOp kIdentity({.name = "Identity",
                            .infer = infer_identity,
                            .run = run_identity,
                            .source = "https://onnx.ai/onnx/operators/onnx__Identity.html"});

}  // namespace
}  // namespace planish
