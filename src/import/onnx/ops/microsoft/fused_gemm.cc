// SPDX-License-Identifier: Apache-2.0
// FusedGemm: Gemm and an activation.
#include "import/onnx/ops/microsoft/blocks.h"

namespace planish::onnx::microsoft_fused_gemm {
namespace {

void import_fused_gemm(NodeContext& c) {
  Attributes gemm = c.attributes();
  std::vector<double> parameters;
  for (const char* name : {"activation_alpha", "activation_beta", "activation_gamma"}) {
    if (gemm.has(name)) parameters.push_back(gemm.real(name));
    gemm.erase(name);
  }
  const std::string activation = gemm.text("activation", "");
  gemm.erase("activation");
  c.set_output(0, activate(c, c.emit("Gemm", c.inputs(), std::move(gemm)), activation, parameters));
}

const RegisterImporter kFusedGemm("FusedGemm", import_fused_gemm, kMicrosoft);

}  // namespace
}  // namespace planish::onnx::microsoft_fused_gemm
