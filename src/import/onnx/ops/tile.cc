// SPDX-License-Identifier: Apache-2.0
// Tile: before opset 6 it repeated along one axis, both given as scalars.
#include "import/onnx/op_importer.h"

namespace planish::onnx {
namespace {

void import_tile(NodeContext& c) {
  if (c.opset() >= 6) {
    c.finish();
    return;
  }
  const auto tiles = NodeContext::integers(c.required(1)),
             axis = NodeContext::integers(c.required(2));
  const auto rank = c.rank(c.required(0));
  if (!tiles || !axis || !rank || tiles->size() != 1 || axis->size() != 1)
    c.unsupported(
        "before opset 6, tiles and axis must be constants and the rank of the input known");
  c.require((*axis)[0] >= 0 && (*axis)[0] < *rank, "axis is outside of the input's rank");
  std::vector<int64_t> repeats(static_cast<size_t>(*rank), 1);
  repeats[static_cast<size_t>((*axis)[0])] = (*tiles)[0];
  c.finish("Tile", {c.required(0), c.constant_i64s(repeats, "repeats")}, {});
}

const RegisterImporter kTile("Tile", import_tile);

}  // namespace
}  // namespace planish::onnx
