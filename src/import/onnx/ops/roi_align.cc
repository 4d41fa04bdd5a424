// SPDX-License-Identifier: Apache-2.0
// RoiAlign: before opset 16 coordinates were not shifted by half a pixel.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_roi_align(NodeContext& c) {
  if (c.opset() < 16)
    c.attributes().set("coordinate_transformation_mode", std::string("output_half_pixel"));
  c.finish();
}

const RegisterImporter kRoiAlign("RoiAlign", import_roi_align);

}  // namespace
}  // namespace planish::onnx
