// SPDX-License-Identifier: Apache-2.0
// GridSample: opset 20 renamed the modes that opset 16 named for two dimensions.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_grid_sample(NodeContext& c) {
  const std::string mode = c.attributes().text("mode", "linear");
  if (mode == "bilinear") c.attributes().set("mode", std::string("linear"));
  if (mode == "bicubic") c.attributes().set("mode", std::string("cubic"));
  c.finish();
}

const RegisterImporter kGridSample("GridSample", import_grid_sample);

}  // namespace
}  // namespace planish::onnx
