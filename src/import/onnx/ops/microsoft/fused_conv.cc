// SPDX-License-Identifier: Apache-2.0
// FusedConv: Conv, a sum and an activation.
#include "import/onnx/ops/microsoft/blocks.h"

namespace planish::onnx::microsoft_fused_conv {
namespace {

void import_fused_conv(NodeContext& c) {
  Attributes conv = c.attributes();
  const std::string activation = conv.text("activation", "");
  const std::vector<double> parameters = conv.reals("activation_params", {});
  conv.erase("activation");
  conv.erase("activation_params");
  ir::Value* y = c.emit("Conv", {c.required(0), c.required(1), c.input(2)}, std::move(conv));
  if (c.input(3) != nullptr) y = c.emit("Add", {y, c.input(3)});
  c.set_output(0, activate(c, y, activation, parameters));
}

const RegisterImporter kFusedConv("FusedConv", import_fused_conv, kMicrosoft);

}  // namespace
}  // namespace planish::onnx::microsoft_fused_conv
