// SPDX-License-Identifier: Apache-2.0
// The GELU family of com.microsoft.
#include "import/onnx/ops/microsoft/blocks.h"

namespace planish::onnx::microsoft_gelu {
namespace {

ir::Value* with_bias(NodeContext& c) {
  return c.input(1) == nullptr ? c.required(0) : c.emit("Add", {c.required(0), c.input(1)});
}

void import_gelu(NodeContext& c) {
  c.finish("Gelu", {with_bias(c)}, {{"approximate", std::string("none")}});
}
void import_fast_gelu(NodeContext& c) {
  c.finish("Gelu", {with_bias(c)}, {{"approximate", std::string("tanh")}});
}
void import_quick_gelu(NodeContext& c) {
  c.finish("Swish", {c.required(0)}, {{"alpha", c.attributes().real("alpha", 1.702f)}});
}

const RegisterImporter kGelu("Gelu", import_gelu, kMicrosoft);
const RegisterImporter kBiasGelu("BiasGelu", import_gelu, kMicrosoft);
const RegisterImporter kFastGelu("FastGelu", import_fast_gelu, kMicrosoft);
const RegisterImporter kQuickGelu("QuickGelu", import_quick_gelu, kMicrosoft);

}  // namespace
}  // namespace planish::onnx::microsoft_gelu
