// SPDX-License-Identifier: Apache-2.0
// Scatter: the old name of ScatterElements.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_scatter(NodeContext& c) { c.finish("ScatterElements", c.inputs(), c.attributes()); }

const RegisterImporter kScatter("Scatter", import_scatter);

}  // namespace
}  // namespace planish::onnx
