// SPDX-License-Identifier: Apache-2.0
// NhwcMaxPool: MaxPool with the channels last.
#include "import/onnx/ops/microsoft/blocks.h"

namespace planish::onnx::microsoft_nhwc_max_pool {
namespace {

void import_nhwc_max_pool(NodeContext& c) {
  const auto rank = c.rank(c.required(0));
  if (rank && *rank != 4) c.unsupported("the input must have rank 4");
  ir::Value* pooled =
      c.emit("MaxPool", {transpose(c, c.required(0), {0, 3, 1, 2})}, c.attributes());
  c.set_output(0, transpose(c, pooled, {0, 2, 3, 1}));
}

const RegisterImporter kNhwcMaxPool("NhwcMaxPool", import_nhwc_max_pool, kMicrosoft);

}  // namespace
}  // namespace planish::onnx::microsoft_nhwc_max_pool
