// SPDX-License-Identifier: Apache-2.0
// EyeLike: ones on a diagonal of a matrix shaped like the input.
#include <algorithm>

#include "ops/computing.h"
#include "ops/shape_rules.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_eye_like(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_rank(c, 0, 2);
  const DType to = c.attributes().has("dtype") ? dtype_attribute(c, "dtype", dtype) : dtype;
  if (to == DType::kString) c.fail("strings have no one", ErrorCode::kInvalidType);
  set_tensor(c, 0, to, c.input(0).shape);
}

void run_eye_like(KernelContext& c) {
  Tensor& out = c.output(0);
  fill_zero(out);
  const int64_t rows = out.dim(0), columns = out.dim(1), k = c.attributes().integer("k", 0);
  if (k > columns || k < -rows) return;
  const double one = 1;
  for (int64_t row = std::max<int64_t>(0, -k); row < rows && row + k < columns; ++row)
    store<double>(out, row * columns + row + k, 1, &one);
}

const RegisterOp kEyeLike({.name = "EyeLike",
                           .attributes = {optional("dtype", AttrKind::kInt),
                                          optional("k", AttrKind::kInt)},
                           .infer = infer_eye_like,
                           .run = run_eye_like,
                           .source = "https://onnx.ai/onnx/operators/onnx__EyeLike.html"});

}  // namespace
}  // namespace planish
